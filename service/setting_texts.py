"""Plain words about settings: for the help of `snellen serve`, docs/settings.md, and refusals of wrong values."""

from collections.abc import Iterator
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic_core import ErrorDetails

from models.contract import default_repository, usable_cores
from service.settings import MIB, PREFIX, Settings, permitted_range

_UNITS = {"_s": "SECONDS", "_ms": "MILLISECONDS", "_bytes": "BYTES", "_pixels": "PIXELS"}
"""End of a setting's name -> what its number counts."""
_LONGEST_VALUE = 60
"""Characters of a refused value that are repeated."""


COMPUTED: dict[Any, str] = {usable_cores: "number of cores", default_repository: "models, or the built-in one"}
"""Function that finds a default -> its result in words."""


def option(name: str) -> str:
    """Return the option of a setting: `--keep-alive-s` for `keep_alive_s`."""
    return f"--{name.replace('_', '-')}"


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + name.upper()


def hint_for_variable(name: str) -> str:
    """Return which variable is meant by a misspelt one, or where they are listed."""
    near = get_close_matches(name.upper(), [variable(each) for each in Settings.model_fields], n=1, cutoff=0.8)
    return f"did you mean {near[0]}?" if near else "snellen serve --help lists all"


def is_switch(name: str) -> bool:
    """Return whether a setting is on or off, so that its option takes no value."""
    return bool in _types(name)


def is_list(name: str) -> bool:
    """Return whether a setting holds several values, with commas between."""
    return get_origin(Settings.model_fields[name].annotation) is tuple


def choices(name: str) -> tuple[str, ...]:
    """Return the values that a setting takes, or each value of a list; empty if there are too many to name."""
    return tuple(dict.fromkeys(_choices(Settings.model_fields[name].annotation)))


def placeholder(name: str) -> str:
    """Return what stands for the value in the help: an example, the choices, a unit, or the kind of value."""
    info = Settings.model_fields[name]
    if info.examples:
        return str(info.examples[0])
    if choices(name):
        return "|".join(choices(name))
    if Path in _types(name):
        return "FOLDER"
    return next((unit for end, unit in _UNITS.items() if name.endswith(end)), "NUMBER")


def default_text(name: str) -> str:
    """Return the default as a user types it, `unset` without one, and words for one that depends on the machine."""
    info = Settings.model_fields[name]
    if info.default_factory is not None:
        return COMPUTED[info.default_factory]
    value = info.default
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "unset"
    return "unset" if value in (None, "") else str(value)


def facts(name: str) -> str:
    """Return default and permitted range for the help, as in `default: 8000; permitted: 0 to 65,535`.

    Empty without default and range; the description of such a setting says what unset means.
    """
    default = default_text(name)
    if name.endswith("_bytes"):
        default += f", which is {int(default) // MIB} MiB"
    allowed = permitted_range(name)
    said = [] if default == "unset" else [f"default: {default}"]
    return "; ".join([*said, *([f"permitted: {allowed}"] if allowed else [])])


def wrong_value(error: ErrorDetails) -> str:
    """Return the sentence that refuses a value: which setting, what it takes, what came."""
    name = str(error["loc"][0])
    both = f"{option(name)} ({variable(name)})"
    if error["type"] == "value_error":
        return f"{both}: {error['msg'].removeprefix('Value error, ')}"
    value = error["input"]
    if value in ((), ""):
        return f"{both} takes {_takes(name)}, and is empty"
    text = str(value)
    shown = text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
    folded = {choice.casefold(): choice for choice in choices(name)}
    near = [folded[each] for each in get_close_matches(text.casefold(), folded, n=1)]
    return f"{both} takes {_takes(name)}, not {shown!r}" + (f"; did you mean {near[0]}?" if near else "")


def _takes(name: str) -> str:
    """Return the values that a setting takes in words."""
    if is_switch(name):
        return "true or false"
    if known := choices(name):
        return f"{'some' if is_list(name) else 'one'} of {', '.join(known)}" + ", with commas between" * is_list(name)
    if allowed := permitted_range(name):
        kind = "a whole number" if int in _types(name) else "a number"
        return f"{kind} {allowed}" if allowed.startswith("above") else f"{kind} from {allowed}"
    return "a path" if Path in _types(name) else "text"


def _types(name: str) -> tuple[Any, ...]:
    annotation = Settings.model_fields[name].annotation
    return get_args(annotation) or (annotation,)


def _choices(annotation: Any) -> Iterator[str]:
    """Yield the values of all literals and enums inside a type."""
    if get_origin(annotation) is Literal:
        yield from map(str, get_args(annotation))
    elif isinstance(annotation, type) and issubclass(annotation, Enum):
        yield from (str(member.value) for member in annotation)
    else:
        for part in get_args(annotation):
            yield from _choices(part)
