"""Reading ahead within limits: batches are worked on by threads, and their results come in the order of the batches."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from snellen.bulk.reading import Failure
from snellen.bulk.sources import Entry

Body = bytes | Failure
Result = TypeVar("Result")


class Batch(NamedTuple):
    """Images that run together.

    part: the one they belong to. bodies: where they are read already. size: bytes that they take at most.
    """

    part: int
    entries: Sequence[Entry]
    bodies: list[Body] | None
    size: int


@dataclass(frozen=True)
class ReadAhead:
    """Limits of what is being read or classified, or waits to be written: bytes of encoded images, images, batches.

    One batch is always read, however large it is.
    """

    bytes: int = 256 * 1024 * 1024
    images: int = 512
    batches: int = 64


def in_order(
    batches: Iterable[Batch], work: Callable[[Batch], Result], pool: ThreadPoolExecutor, limits: ReadAhead
) -> Iterator[tuple[Batch, Result]]:
    """Yield each batch with what `work` made of it in a thread of the pool. Raises what `work` raises."""
    waiting: deque[tuple[Batch, Future[Result]]] = deque()
    size = images = 0
    for batch in batches:
        while waiting and (
            size + batch.size > limits.bytes
            or images + len(batch.entries) > limits.images
            or len(waiting) >= limits.batches
        ):
            oldest, result = waiting.popleft()
            yield oldest, result.result()
            size, images = size - oldest.size, images - len(oldest.entries)
        waiting.append((batch, pool.submit(work, batch)))
        size, images = size + batch.size, images + len(batch.entries)
    while waiting:
        oldest, result = waiting.popleft()
        yield oldest, result.result()
