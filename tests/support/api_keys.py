"""API keys of tests, and the lines that a key file holds for them."""

from pathlib import Path

from service.access.api_keys import Scope, new_key
from service.access.key_file import line_of


def bearer(key: str) -> dict[str, str]:
    """Return the header that sends a key."""
    return {"Authorization": f"Bearer {key}"}


def write_keys(path: Path, **scopes: str) -> dict[str, str]:
    """Write a key file with a key for each name, and return the keys by name. scopes: with commas between."""
    keys, lines = {}, []
    for name, text in scopes.items():
        keys[name], entry = new_key(name, frozenset(map(Scope, text.split(","))))
        lines.append(line_of(entry))
    path.write_text("".join(f"{line}\n" for line in lines))
    return keys
