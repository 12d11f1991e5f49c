"""Snellen, an image-classification server: `snellen.create_app` and `snellen.Settings` are its public names.

`snellen.client` is a client of the service.
"""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from service.app import create_app
    from service.settings import Settings

__all__ = ["Settings", "create_app"]
_PACKAGES = ("service", "models", "training")
_ROOT = Path(__file__).parent.parent


def shadowed() -> str | None:
    """Return a message that names a file imported in the place of one of this project's packages; None without one."""
    for name in _PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None:  # an environment may hold a part of the code only
            continue
        found = Path(spec.origin) if spec.origin else Path(next(iter(spec.submodule_search_locations or ["?"])))
        if not found.is_relative_to(_ROOT / name):
            return f"{found} is imported in the place of Snellen's {name!r}; rename it, or start from another folder"
    return None


def __getattr__(name: str) -> Any:
    """Import the public names when they are asked for, so that `snellen --help` answers at once."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if message := shadowed():
        raise ImportError(message)
    module = importlib.import_module("service.app" if name == "create_app" else "service.settings")
    return getattr(module, name)
