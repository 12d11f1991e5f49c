"""The ceiling: one process per core, each with a decoder and the network ready, blocked on a pipe until told to run."""

import multiprocessing as mp
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np

from benchmarks.micro.ceilings import BATCH_SIZES, Values, decoder, libraries, runners, times
from benchmarks.workloads import Workload
from models.contract import usable_cores

PROCESSES, IN_FULL, SINGLE_IMAGE = "processes", "processes-full", "single-image"
"""What the workers can run.

PROCESSES: decoding and session in all processes, decoding as the service does. IN_FULL: the same, decoding in full.
SINGLE_IMAGE: decoding and session of one image after another in one process.
"""
_START_LIMIT_S, _LATE_LIMIT_S = 60.0, 30.0
_CHOICE_TURNS = 5


class CeilingWorkers:
    """The processes of one workload's ceiling. Between two calls of `run` they block on their pipes and use no CPU."""

    def __init__(self, workload: Workload, workers: "list[tuple[BaseProcess, Connection]]") -> None:
        self.name = f"ceiling of {workload.name}"
        self.library, self.batch_size = libraries(workload)[0], 1
        self._ways = [(library, size) for library in libraries(workload) for size in BATCH_SIZES]
        self._workers = workers

    def active(self) -> "nullcontext[None]":
        """Do nothing: idle workers use no CPU."""
        return nullcontext()

    def check(self) -> None:
        """Raise RuntimeError when one of the processes has ended."""
        if not all(process.is_alive() for process, _ in self._workers):
            raise RuntimeError("a process of the ceiling ended; its traceback is above")

    def run(self, what: str, seconds: float) -> Values:
        """Return images per second of all processes together; for SINGLE_IMAGE, ms of both stages and of their sum.

        Raises RuntimeError when a process has ended or does not answer.
        """
        asked = self._workers[:1] if what == SINGLE_IMAGE else self._workers
        try:
            for _, pipe in asked:
                pipe.send((what, self.library, self.batch_size, seconds))
            answers = [_answer(pipe, seconds + _LATE_LIMIT_S) for _, pipe in asked]
        except (EOFError, BrokenPipeError) as error:
            raise RuntimeError("a process of the ceiling ended; its traceback is above") from error
        if what == SINGLE_IMAGE:
            return dict(answers[0])
        sums = {name: sum(answer[name] for answer in answers) for name in ("images_per_s", "answers", "cpu_s")}
        return sums | {"processes": len(asked), "batch_size": self.batch_size}

    def choose_fastest(self, seconds: float) -> None:
        """Set the library and the batch size with most images per second while all processes work.

        All are interleaved. seconds: duration for all together.
        """
        rates: dict[tuple[str, int], list[float]] = {way: [] for way in self._ways}
        for _ in range(_CHOICE_TURNS):
            for way, found in rates.items():
                self.library, self.batch_size = way
                found.append(self.run(PROCESSES, seconds / _CHOICE_TURNS / len(rates))["images_per_s"])
        self.library, self.batch_size = max(rates, key=lambda way: statistics.median(rates[way]))


@contextmanager
def ceiling_workers(workload: Workload, choice_s: float) -> Iterator[CeilingWorkers]:
    """Start one process per core and choose the library and the batch size; end the processes afterwards.

    choice_s: seconds spent on the choice. Raises RuntimeError when a process fails.
    """
    context = mp.get_context("spawn")
    workers: list[tuple[BaseProcess, Connection]] = []
    try:
        for _ in range(usable_cores()):
            own_end, worker_end = context.Pipe()
            process: BaseProcess = context.Process(target=_serve, args=(worker_end, workload), daemon=True)
            process.start()
            worker_end.close()
            workers.append((process, own_end))
        for _, pipe in workers:
            _answer(pipe, _START_LIMIT_S)
        ready = CeilingWorkers(workload, workers)
        ready.choose_fastest(choice_s)
        yield ready
    except EOFError as error:
        raise RuntimeError("a process of the ceiling failed; its traceback is above") from error
    finally:
        for process, pipe in workers:
            pipe.close()
            process.join(_LATE_LIMIT_S)


def _answer(pipe: Connection, limit_s: float) -> Any:
    """Receive one message. Raises RuntimeError after `limit_s`, EOFError when the process has ended."""
    if not pipe.poll(limit_s):
        raise RuntimeError(f"a process of the ceiling did not answer within {limit_s:g} s")
    return pipe.recv()


def _serve(pipe: Connection, workload: Workload) -> None:
    """Run requests from the pipe until its other end is closed."""
    own, full = decoder(workload, in_full=False), decoder(workload, in_full=True)
    runs = {library: runners(workload, library) for library in libraries(workload)}
    modes: dict[str, Callable[[str, int, float], Values]] = {
        PROCESSES: lambda library, size, seconds: _batches(own, runs[library][size], size, seconds),
        IN_FULL: lambda library, size, seconds: _batches(full, runs[library][size], size, seconds),
        SINGLE_IMAGE: lambda library, _, seconds: _single_images(own, runs[library][1], seconds),
    }
    for mode in modes.values():
        mode(libraries(workload)[0], 1, 0)  # the first call is slower than later ones
    pipe.send("ready")
    while True:
        try:
            what, library, size, seconds = pipe.recv()
        except EOFError:
            return
        pipe.send(modes[what](library, size, seconds))


def _batches(decode: Callable[[], Any], run: Callable[[Any], Any], size: int, seconds: float) -> Values:
    started, before_s, count = time.perf_counter(), time.process_time(), 0
    while count == 0 or time.perf_counter() - started < seconds:
        run(np.stack([decode() for _ in range(size)]))
        count += size
    rate = count / (time.perf_counter() - started)
    return {"images_per_s": rate, "answers": count, "cpu_s": time.process_time() - before_s}


def _single_images(decode: Callable[[], Any], run: Callable[[Any], Any], seconds: float) -> Values:
    """Alternate decoding and session, so that changes of the machine's speed affect both stages alike."""
    image, decoded, ran = decode()[None], list[float](), list[float]()
    end = time.perf_counter() + seconds
    while not ran or time.perf_counter() < end:
        decoded += times(decode, 0, 1)
        ran += times(lambda: run(image), 0, 1)
    decode_ms, session_ms = statistics.median(decoded) * 1000, statistics.median(ran) * 1000
    return {"decode_ms": decode_ms, "session_ms": session_ms, "ms": decode_ms + session_ms}
