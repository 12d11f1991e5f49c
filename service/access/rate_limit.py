"""A limit of images per second with a burst, and how the key file writes it."""

import math
from typing import NamedTuple

from service.settings import HIGHEST_RATE, LOWEST_RATE, MOST_BURST

_UNLIMITED = "unlimited"
"""The rate of a key without a limit, in the key file."""
_SHOWN = 16
"""Characters of a wrong text that a message repeats: of a key that was put there by mistake, not the secret part."""


class RateLimit(NamedTuple):
    """What one client may send.

    rate: images per second on average, infinity for no limit. burst: images at once, after a time without requests.
    """

    rate: float
    burst: int

    @property
    def unlimited(self) -> bool:
        """Whether there is no limit."""
        return math.isinf(self.rate)

    def __str__(self) -> str:
        return _UNLIMITED if self.unlimited else f"{self.rate:g} images/s, {self.burst} at once"


def rate_limit(rate: float, burst: int | None = None) -> RateLimit:
    """Return a limit. burst: None for the images of one second, and at least one."""
    if math.isinf(rate):
        return RateLimit(rate, MOST_BURST)
    return RateLimit(rate, math.ceil(max(1.0, rate)) if burst is None else burst)


def read_rate(text: str) -> float:
    """Return the images per second of a text; infinity for `unlimited`. Raises ValueError with a sentence."""
    if text == _UNLIMITED:
        return math.inf
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if LOWEST_RATE <= rate <= HIGHEST_RATE:  # no comparison is true for NaN
        return rate
    raise ValueError(
        f"{text[:_SHOWN]!r} is no rate; write images per second as a number from {LOWEST_RATE:g} to {HIGHEST_RATE:,}, "
        "or unlimited"
    )


def read_burst(text: str) -> int:
    """Return the number of images at once of a text. Raises ValueError with a sentence."""
    if text.isascii() and text.isdecimal() and 1 <= (burst := int(text[:20])) <= MOST_BURST:
        return burst
    raise ValueError(
        f"{text[:_SHOWN]!r} is no burst; write the images at once as a whole number from 1 to {MOST_BURST:,}"
    )


def read_limit(rate: str | None, burst: str | None) -> RateLimit | None:
    """Return the limit of two texts, None where there is none. Raises ValueError with a sentence."""
    if rate is None:
        if burst is not None:
            raise ValueError("a burst needs a rate beside it, in images per second")
        return None
    number = read_rate(rate)
    if burst is not None and math.isinf(number):
        raise ValueError("a key without a limit has no burst; leave the burst out, or give a rate")
    return rate_limit(number, None if burst is None else read_burst(burst))


def words_of(limit: RateLimit) -> dict[str, str]:
    """Return the fields of the key file that `read_limit` reads as this limit."""
    if limit.unlimited:
        return {"rate": _UNLIMITED}
    return {"rate": repr(limit.rate).removesuffix(".0"), "burst": str(limit.burst)}
