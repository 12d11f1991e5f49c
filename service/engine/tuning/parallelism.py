"""Shapes worth trying: how many batches at a time, of how many threads each."""

from typing import NamedTuple


class Parallelism(NamedTuple):
    """`concurrency` callers of one session that has `threads_per_batch` intra-op threads."""

    concurrency: int
    threads_per_batch: int


def cpu_shapes(cores: int, concurrency: int = 0, threads_per_batch: int = 0) -> list[Parallelism]:
    """All that occupy the cores, with one thread, two, four ... each; numbers that are not 0 are kept to."""
    threads = [threads_per_batch] if threads_per_batch else _powers_up_to(max(1, cores // max(1, concurrency)))
    return [Parallelism(concurrency or max(1, cores // each), each) for each in threads]


def gpu_shapes(concurrency: int = 0, *, cuda_graph: bool = False) -> list[Parallelism]:
    """One batch at a time, or a second whose pixels travel meanwhile. CUDA graphs are not for several threads."""
    if cuda_graph:
        return [Parallelism(1, 1)] if concurrency in {0, 1} else []
    return [Parallelism(each, 1) for each in ([concurrency] if concurrency else [1, 2])]


def _powers_up_to(largest: int) -> list[int]:
    """1, 2, 4 ... and `largest` itself."""
    powers = [1 << bit for bit in range(largest.bit_length()) if 1 << bit < largest]
    return [*powers, largest]
