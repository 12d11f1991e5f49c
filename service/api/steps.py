"""Splits long work into steps, so that the event loop serves other requests between the steps.

A thread would not help: the parsers and the text decoders hold the GIL for the whole of each call.
"""

import asyncio
from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")
Steps = Generator[None, None, T]
"""A generator that yields after each step of at most a few milliseconds, and returns its result."""


def finish(steps: Steps[T]) -> T:
    """Run all steps without a pause and return the result. Raises what the steps raise."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


async def interleave(steps: Steps[T]) -> T:
    """Run all steps, let the event loop run once after each, and return the result. Raises what the steps raise."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        await asyncio.sleep(0)
