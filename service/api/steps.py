"""Work in steps, so that the event loop serves other requests between them.

A thread would not do: parsers and decoders of text hold the interpreter's lock for as long as one call of them takes.
"""

import asyncio
from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")
Steps = Generator[None, None, T]
"""Work that pauses after each step of at most a few milliseconds, and returns its result."""


def finish(steps: Steps[T]) -> T:
    """Return the result of all steps, taken without a pause. Raises what they raise."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


async def interleave(steps: Steps[T]) -> T:
    """Return the result of all steps; the event loop turns once after each. Raises what they raise."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        await asyncio.sleep(0)
