"""The parallelism to try: how many batches at a time, with how many threads each."""

from typing import NamedTuple


class Parallelism(NamedTuple):
    """`concurrency` callers of one session that has `threads_per_batch` intra-op threads."""

    concurrency: int
    threads_per_batch: int


def cpu_shapes(cores: int, concurrency: int = 0, threads_per_batch: int = 0) -> list[Parallelism]:
    """Return all that use all cores with 1, 2, 4 ... threads per batch. Arguments that are not 0 are fixed."""
    threads = [threads_per_batch] if threads_per_batch else _powers_up_to(max(1, cores // max(1, concurrency)))
    return [Parallelism(concurrency or max(1, cores // each), each) for each in threads]


def gpu_shapes(concurrency: int = 0, *, cuda_graph: bool = False) -> list[Parallelism]:
    """Return one batch at a time, or two so that the second one's pixels are copied meanwhile.

    CUDA graphs must not be used by several threads.
    """
    if cuda_graph:
        return [Parallelism(1, 1)] if concurrency in {0, 1} else []
    return [Parallelism(each, 1) for each in ([concurrency] if concurrency else [1, 2])]


def _powers_up_to(largest: int) -> list[int]:
    """Return 1, 2, 4 ... and `largest` itself."""
    powers = [1 << bit for bit in range(largest.bit_length()) if 1 << bit < largest]
    return [*powers, largest]
