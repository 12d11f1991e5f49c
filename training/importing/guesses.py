"""What an import has found out or assumed, and why, one fact at a time."""

from collections.abc import Callable
from typing import NamedTuple


class Guess(NamedTuple):
    """One fact about the network, such as its layout, and where it is known from."""

    what: str
    value: str
    reason: str


Report = Callable[[Guess], None]
"""Called with each fact when it is known."""
