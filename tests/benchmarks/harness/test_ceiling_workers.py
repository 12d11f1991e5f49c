"""The ceiling's processes, real ones, with a photo and a network of a few nodes, which each of them opens at once."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import psutil  # type: ignore[import-untyped]
import pytest

from benchmarks.harness.ceiling_workers import IN_FULL, PROCESSES, SINGLE_IMAGE, CeilingWorkers, ceiling_workers
from benchmarks.harness.prepare_inputs import write_networks
from benchmarks.micro.ceilings import BATCH_SIZES, libraries, sessions
from benchmarks.sample_images import PHOTO
from benchmarks.workloads import Workload
from models.contract import usable_cores
from tests.support.bundles import write_bundle
from tests.support.libraries import LIBRARIES


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    models = tmp_path_factory.mktemp("models")
    write_bundle(models, "ceiling-test")
    found = Workload("T", "a photo", PHOTO, models, "ceiling-test")
    write_networks(found)
    return found


@pytest.fixture(scope="module")
def ready(workload: Workload) -> Iterator[CeilingWorkers]:
    with ceiling_workers(workload, choice_s=0.1) as up:
        yield up


def test_it_runs_again_and_again_with_one_batch_size(workload: Workload, ready: CeilingWorkers) -> None:
    """In a process a core, decoding either way, with one of the installed libraries."""
    assert ready.library in libraries(workload)
    found = [ready.run(what, 0.01) for what in (PROCESSES, IN_FULL, PROCESSES)]
    assert all(values["images_per_s"] > 0 for values in found)
    assert all(values["answers"] >= usable_cores() and values["cpu_s"] > 0 for values in found)
    assert {values["processes"] for values in found} == {usable_cores()}
    sizes = {values["batch_size"] for values in found}
    assert len(sizes) == 1
    assert sizes <= set(BATCH_SIZES)


def test_the_stages_of_a_single_image_add_up(ready: CeilingWorkers) -> None:
    """Decoding and the session, in ms."""
    values = ready.run(SINGLE_IMAGE, 0.01)
    assert values["decode_ms"] > 0
    assert values["session_ms"] > 0
    assert values["ms"] == values["decode_ms"] + values["session_ms"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_workload_can_name_the_library(workload: Workload, library: str) -> None:
    """Its ceiling and its sessions in one thread use no other."""
    named = replace(workload, library=library)
    with ceiling_workers(named, choice_s=0.1) as up:
        assert up.library == library
        assert up.run(PROCESSES, 0.01)["images_per_s"] > 0
    with ProcessPoolExecutor(1, get_context("spawn")) as alone:
        found = alone.submit(sessions, named, 0.1).result()
    assert [*found] == [(library, size) for size in BATCH_SIZES]


def test_between_two_runs_it_uses_no_cpu(ready: CeilingWorkers) -> None:
    """Nothing that a clock of 10 ms could see in half a second but one tick."""
    children = psutil.Process().children()
    before = {child: sum(child.cpu_times()[:2]) for child in children}
    time.sleep(0.5)
    assert before
    assert all(sum(child.cpu_times()[:2]) - used <= 0.02 for child, used in before.items())


def test_a_process_that_dies_is_an_error_not_a_wait(workload: Workload) -> None:
    """Both for the next run and for a check of the processes."""
    with ceiling_workers(workload, choice_s=0.1) as up:
        up.check()
        process = up._workers[-1][0]
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        with pytest.raises(RuntimeError, match="ended"):
            up.run(PROCESSES, 0.01)
        with pytest.raises(RuntimeError, match="ended"):
            up.check()
