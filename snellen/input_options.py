"""Options on the network's input that several commands have, and how their text becomes a value."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from snellen.options import exit_with_error

if TYPE_CHECKING:
    from training.data.option_values import BorderColour, InputSize

T = TypeVar("T")


def size_option(text: str) -> "InputSize":
    """Return the size that `--size` names. Ends the command with status 2 at a wrong value."""
    from training.data.option_values import parse_size

    return _parsed("--size", parse_size, text)


def colour_option(text: str) -> "BorderColour":
    """Return the colour that `--pad-colour` names. Ends the command with status 2 at a wrong value."""
    from training.data.option_values import parse_colour

    return _parsed("--pad-colour", parse_colour, text)


def _parsed(option: str, parse: Callable[[object], T], text: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        exit_with_error(f"{option}: {error}", status=2)
