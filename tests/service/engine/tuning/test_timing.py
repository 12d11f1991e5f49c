"""Timing of batches: how many are run, by how many callers, and what time results."""

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from models.contract import read_bundle
from service.engine.onnx_engine import OnnxEngine
from service.engine.providers import EngineOptions
from service.engine.tuning import timing
from service.engine.tuning.timing import batch_seconds, processor_clock, zero_batch
from service.types import Batch, Prediction
from tests.support.bundles import SIDE, write_bundle
from tests.support.engines import GatedEngine

BATCH = zero_batch(2, (4, 4, 3))


@dataclass
class CountingEngine(GatedEngine):
    """Counts its runs per thread; each run waits until `callers` of them are in progress, and moves `clock_s` on."""

    callers: int = 1
    run_s: float = 0.25
    clock_s: float = 0.0
    runs: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._barrier = threading.Barrier(self.callers, timeout=10)

    def run(self, batch: Batch) -> Prediction:
        thread = threading.get_ident()
        self.runs[thread] = self.runs.get(thread, 0) + 1
        self.clock_s += self.run_s
        self._barrier.wait()
        return super().run(batch)


def test_a_batch_is_black_and_of_the_size_that_was_asked_for() -> None:
    """The batch that is timed has the shape and type of real images, and asks for a class map only on request."""
    batch = zero_batch(3, (5, 6, 3), class_map=True)
    np.testing.assert_array_equal(batch.images, np.zeros((3, 5, 6, 3)))
    assert batch.images.dtype == np.uint8
    assert (batch.class_map, zero_batch(3, (5, 6, 3)).class_map) == (True, False)


@pytest.mark.parametrize(("expected_s", "runs"), [(0.1, 5), (0.3, 2), (7.0, 1)])
def test_an_earlier_timing_sets_the_number_of_batches(expected_s: float, runs: int) -> None:
    """Every caller runs as many batches as fit the window, at least one, and all callers run at a time."""
    engine = CountingEngine(callers=3)
    batch_seconds(engine, BATCH, 3, window_s=0.5, expected_s=expected_s)
    assert list(engine.runs.values()) == [runs] * 3


def test_a_batch_longer_than_the_window_is_run_twice() -> None:
    """The first run warms up, and the time of the second one is the result."""
    engine = CountingEngine()
    batch_seconds(engine, BATCH, 1, window_s=0)
    assert sum(engine.runs.values()) == 2


def test_the_number_of_batches_has_a_limit() -> None:
    """A batch that takes no measurable time is run a limited number of times."""
    engine = CountingEngine()
    batch_seconds(engine, BATCH, 1, window_s=3600, expected_s=0)
    assert sum(engine.runs.values()) == timing._MOST_RUNS


@pytest.mark.parametrize("expected_s", [None, 0.25])
def test_the_result_is_the_time_of_one_batch(expected_s: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The total time is divided by the number of batches, here with a clock that only the engine moves."""
    engine = CountingEngine(run_s=0.25)
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: engine.clock_s))
    assert batch_seconds(engine, BATCH, 1, window_s=1.0, expected_s=expected_s) == pytest.approx(0.25)
    assert sum(engine.runs.values()) == (6 if expected_s is None else 4)


def test_an_engine_is_timed(tmp_path: Path) -> None:
    """The callers of a real engine share its session."""
    bundle = read_bundle(write_bundle(tmp_path))
    engine = OnnxEngine(bundle.path / "model.onnx", bundle.manifest, EngineOptions(concurrency=2))
    assert batch_seconds(engine, zero_batch(2, (SIDE, SIDE, 3)), 2, window_s=0.001) > 0
    engine.close()


def test_waiting_for_a_core_does_not_count_at_low_priority(tmp_path: Path) -> None:
    """A core is shared with another process: each has it half of the time, which the result does not show."""
    script = tmp_path / "spin.py"
    script.write_text("while True: pass")
    engine = SpinningEngine(run_s=0.05)
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    other = subprocess.Popen([sys.executable, script])
    try:
        alone_s = batch_seconds(engine, BATCH, 1, window_s=0.5, expected_s=0.05, low_priority=True)
        waiting_s = batch_seconds(engine, BATCH, 1, window_s=0.5, expected_s=0.05)
    finally:
        other.kill()
        other.wait()
        os.sched_setaffinity(0, cores)
    assert alone_s == pytest.approx(0.05, rel=0.3)
    assert waiting_s > 1.3 * alone_s


@dataclass
class SpinningEngine(GatedEngine):
    """Uses a core for `run_s` seconds of processor time."""

    run_s: float = 0.0

    def run(self, batch: Batch) -> Prediction:
        end = time.thread_time() + self.run_s
        while time.thread_time() < end:
            pass
        return super().run(batch)


def test_the_clock_of_a_process_of_low_priority_counts_its_processor_time() -> None:
    """Of all cores; sleeping counts a twentieth."""
    clock = processor_clock(2)
    end = time.process_time() + 0.4
    while time.process_time() < end:
        pass
    assert clock() == pytest.approx(0.2, rel=0.2)
    clock = processor_clock(1)
    time.sleep(0.4)
    assert 0.02 <= clock() < 0.2
