"""A version is checked in a child process, whatever its graph does to that process."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.contract import MANIFEST, read_bundle, sha256_of
from service.build import engine_factory
from service.repository import checker as checker_module
from service.repository.checker import NICE, CheckFailed, VersionChecker
from service.settings import MIB, Settings
from tests.support.bundles import change_manifest, colour_graph, replace_constant, write_bundle
from tests.support.processes import descriptors_of
from tests.support.variants import add_variant

ROOT = Path(__file__).parents[3]
CORES = 2
Make = Callable[..., VersionChecker]
Listener = Callable[[int, int], object]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Returns checkers with a cache of their own, whose children have the priority of the tests."""

    def make(copies: int = 1, **options: Any) -> VersionChecker:
        return VersionChecker(settings(tmp_path), CORES, copies, **{"nice": 0} | options)

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A valid bundle of three classes."""
    return write_bundle(tmp_path / "models")


@pytest.fixture
async def reaped() -> AsyncIterator[list[Listener]]:
    """The functions that are told of each child of this process, whose status is collected at once.

    As the main process of several does.
    """
    listeners: list[Listener] = []

    def reap() -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                for listener in listeners:
                    listener(*ended)

    asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, reap)
    yield listeners
    asyncio.get_running_loop().remove_signal_handler(signal.SIGCHLD)


def settings(tmp_path: Path) -> Settings:
    return Settings(tune_s=0.05, max_batch_size=4, profile_cache=tmp_path / "cache")


def nothing() -> None:
    """Ignore that tuning begins."""


def oom_score_adj(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


def children_left() -> list[int]:
    """The check processes of this process, and all children that have ended and were not collected."""
    pids = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in pids if (command := command_of(pid)) is None or b"service.check_process" in command]


def command_of(pid: str) -> bytes | None:
    """The command of a process; None if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() or None
    except OSError:
        return None


def renew_hashes(folder: Path) -> None:
    """Let the manifest list the files as they are now."""
    files = json.loads((folder / MANIFEST).read_text())["files"]
    change_manifest(
        folder,
        files=[
            each | {"sha256": sha256_of(folder / each["path"]), "bytes": (folder / each["path"]).stat().st_size}
            for each in files
        ],
    )


def write_graph(folder: Path, nodes: list[onnx.NodeProto], **constants: object) -> None:
    """Replace the graph by one that adds the output `extra` of further nodes, a float32 scalar, to the logits."""
    model = colour_graph()
    next(node for node in model.graph.node if node.op_type == "Identity").input[0] = "extra"
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(each), name) for name, each in constants.items())
    ordered = [*nodes, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(ordered)
    onnx.save(model, folder / "model.onnx")
    renew_hashes(folder)


def write_crashing_graph(folder: Path) -> None:
    """Write a graph that divides the smallest int32 by -1 when it is opened: the processor raises SIGFPE."""
    nodes = [helper.make_node("Div", ["least", "minus_one"], ["quotient"])]
    nodes.append(helper.make_node("Cast", ["quotient"], ["extra"], to=TensorProto.FLOAT))
    write_graph(folder, nodes, least=np.int32(-(2**31)), minus_one=np.int32(-1))


def write_large_graph(folder: Path) -> None:
    """Write a graph of a few kilobytes that fills 4 GB with ones and adds them."""
    one = numpy_helper.from_array(np.array([1], np.float32))
    nodes = [helper.make_node("ConstantOfShape", ["shape"], ["ones"], value=one)]
    nodes.append(helper.make_node("ReduceSum", ["ones"], ["extra"], keepdims=0))
    write_graph(folder, nodes, shape=np.array([10_000, 100_000], np.int64))


async def reason_of(checker: VersionChecker, folder: Path) -> str:
    """Check a bundle that is refused, and return the reason."""
    with pytest.raises(CheckFailed) as caught:
        await checker.check(read_bundle(folder), nothing)
    return str(caught.value)


async def started(checker: VersionChecker, work: "asyncio.Task[Any]") -> int:
    """Return the process id of the child of a check that has just begun."""
    while checker.pid is None and not work.done():  # noqa: ASYNC110  nothing tells of it
        await asyncio.sleep(0.001)
    assert checker.pid is not None
    return checker.pid


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the memory that counts as available, in MiB."""
    return lambda mib: monkeypatch.setattr(checker_module, "available_bytes", lambda: mib * MIB)


async def test_a_shipped_version_passes_and_serving_processes_need_not_tune(make: Make, tmp_path: Path) -> None:
    """Its profile is in the cache, tuning is announced once, and its memory is that of one opening."""
    bundle, warming = read_bundle(ROOT / "models/fashion-mnist/3"), list[int]()
    checked = await make().check(bundle, lambda: warming.append(1))
    assert warming == [1]
    assert 1 * MIB < checked.peak_bytes < 300 * MIB
    opened = engine_factory(settings(tmp_path), CORES)(bundle, None)
    opened.engine.close()
    assert (opened.cached, opened.profile) == (True, checked.profile)
    assert not children_left()


async def test_a_version_that_was_tuned_before_passes(make: Make, folder: Path) -> None:
    """Tuning is announced also where nothing has to be timed."""
    checker, bundle, warming = make(), read_bundle(folder), list[int]()
    first = await checker.check(bundle, nothing)
    assert (await checker.check(bundle, lambda: warming.append(1))).profile == first.profile
    assert warming == [1]


async def test_a_damaged_file_is_refused(make: Make, folder: Path) -> None:
    """Tuning does not begin, and the reason names the file."""
    warming: list[int] = []
    content = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CheckFailed, match=r"model\.onnx differs from the sha256"):
        await make().check(read_bundle(folder), lambda: warming.append(1))
    assert not warming


async def test_wrong_golden_images_are_refused(make: Make, folder: Path) -> None:
    """A graph that computes something else has the right hash and does not pass."""
    replace_constant(folder / "model.onnx", "scale", 0.01)
    renew_hashes(folder)
    assert "golden image" in await reason_of(make(), folder)


async def test_a_graph_that_crashes_the_runtime_is_refused(make: Make, folder: Path) -> None:
    """This process goes on, and the reason has the signal."""
    write_crashing_graph(folder)
    assert "SIGFPE: the graph crashes the runtime" in await reason_of(make(), folder)
    assert not children_left()


async def test_a_graph_that_takes_too_much_memory_is_refused(
    make: Make, folder: Path, limited: Callable[[float], None]
) -> None:
    """The child may take four fifths of what is available; its limit is in the reason."""
    limited(1000)
    write_large_graph(folder)
    assert "more memory than the 800 MiB" in await reason_of(make(), folder)


async def test_a_changed_folder_is_refused(make: Make, folder: Path) -> None:
    """The child checks the version that the service has read, and no other one of the same name."""
    bundle = read_bundle(folder)
    change_manifest(folder, description="Another one.")
    with pytest.raises(CheckFailed, match="its manifest was changed while it was checked"):
        await make().check(bundle, nothing)


async def test_files_that_do_not_fit_are_refused_without_a_child(
    make: Make, folder: Path, limited: Callable[[float], None]
) -> None:
    """Each serving process needs a copy; the reason has the numbers."""
    limited(100)
    change_manifest(
        folder, files=[{"path": "model.onnx", "sha256": "0" * 64, "bytes": 60 * MIB}, *files_of(folder)[1:]]
    )
    assert await reason_of(make(copies=2), folder) == (
        "its files alone take 60 MiB in each of 2 processes, 120 MiB in all, and 100 MiB of memory are available: give "
        "the service more memory, start it with fewer processes, or remove another version first"
    )
    assert "its manifest" not in await reason_of(make(copies=1), folder)


def files_of(folder: Path) -> list[dict[str, Any]]:
    """The files of a manifest, the graph first."""
    files: list[dict[str, Any]] = json.loads((folder / MANIFEST).read_text())["files"]
    return sorted(files, key=lambda each: each["path"] != "model.onnx")


async def test_a_version_whose_copies_do_not_fit_is_refused(
    make: Make, folder: Path, limited: Callable[[float], None]
) -> None:
    """What the child has taken is taken by each serving process."""
    limited(2000)
    assert "in each of 10000 processes" in (reason := await reason_of(make(copies=10_000), folder))
    assert "and 2000 MiB of memory are available" in reason
    assert reason.startswith("it takes ")


async def test_only_the_variant_that_would_be_served_counts(
    make: Make, folder: Path, limited: Callable[[float], None]
) -> None:
    """A large variant of another precision needs no memory."""
    limited(500)
    add_variant(folder)
    change_manifest(
        folder, files=[each | {"bytes": 600 * MIB} if "int8" in each["path"] else each for each in files_of(folder)]
    )
    assert "differs from the size" in await reason_of(make(), folder)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_a_child_that_is_killed_refuses_its_version(make: Make, folder: Path, number: signal.Signals) -> None:
    """The reason names the signal, and the next check has a new child."""
    checker = make()
    work = asyncio.ensure_future(reason_of(checker, folder))
    os.kill(await started(checker, work), number)
    assert f"its check was ended by the signal {number.name}" in await work
    await checker.check(read_bundle(folder), nothing)


async def test_a_child_that_does_nothing_is_killed(make: Make, folder: Path) -> None:
    """A stopped process sends no message, as one that hangs."""
    checker = make(silence_s=0.2)
    work = asyncio.ensure_future(reason_of(checker, folder))
    os.kill(await started(checker, work), signal.SIGSTOP)
    assert await work == "its check did nothing for 0.2 s and was killed"
    assert not children_left()


async def test_a_python_error_refuses_the_version(
    make: Make, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The traceback is in the log."""
    (tmp_path / "numpy.py").write_text("raise RuntimeError('broken installation')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", str(ROOT))])
    assert "without a result (status 1)" in await reason_of(make(environment={"PYTHONPATH": path}), folder)
    assert "broken installation" in caplog.text


async def test_a_child_that_cannot_be_started_refuses_the_version(
    make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the limit of processes is reached."""
    monkeypatch.setattr(sys, "executable", str(folder / "missing"))
    before = os.listdir("/proc/self/fd")
    assert "no process can be started to check it (No such file" in await reason_of(make(), folder)
    assert len(os.listdir("/proc/self/fd")) == len(before)


async def test_a_child_has_the_lowest_priority_and_only_its_own_descriptors(make: Make, folder: Path) -> None:
    """Serving processes come first, for the processor and for memory."""
    checker = make(nice=NICE)
    work = asyncio.ensure_future(reason_of(checker, folder))
    pid = await started(checker, work)
    its_imports = ("pycache", ".py", ".so")
    held = {name.partition(":")[0] for name in descriptors_of(pid) if not any(part in name for part in its_imports)}
    assert os.getpriority(os.PRIO_PROCESS, pid) == NICE
    assert os.getsid(pid) == pid
    assert oom_score_adj(pid) == 1000
    assert {name for name in held if not name.startswith(sys.base_prefix)} <= {"socket", "/memfd"}
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work


async def test_cancelling_a_check_kills_its_child(make: Make, folder: Path) -> None:
    """No process and no descriptor is left, also when it is cancelled twice."""
    checker = make()
    before = len(os.listdir("/proc/self/fd"))
    for cancellations in (1, 2):
        work = asyncio.ensure_future(checker.check(read_bundle(folder), nothing))
        await started(checker, work)
        await asyncio.sleep(0.05)
        for _ in range(cancellations):
            work.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await work
        assert not children_left()
        assert checker.pid is None
    assert len(os.listdir("/proc/self/fd")) == before


async def test_checks_leave_no_descriptors_open(make: Make, folder: Path) -> None:
    """Whether they pass or fail."""
    checker = make()
    before = len(os.listdir("/proc/self/fd"))
    await checker.check(read_bundle(folder), nothing)
    write_crashing_graph(folder)
    await reason_of(checker, folder)
    assert len(os.listdir("/proc/self/fd")) == before


async def test_the_status_may_be_collected_by_another_part_of_the_process(
    make: Make, folder: Path, reaped: list[Listener]
) -> None:
    """The main process of several collects all children and reports each; the reason still names the signal."""
    checker, mine = make(), list[bool]()
    reaped.append(lambda pid, status: mine.append(checker.child_ended(pid, status)))
    await checker.check(read_bundle(folder), nothing)
    write_crashing_graph(folder)
    assert "SIGFPE" in await reason_of(checker, folder)
    assert not checker.child_ended(1, 0)
    assert not children_left()


async def test_a_status_that_is_lost_refuses_the_version(make: Make, folder: Path, reaped: list[Listener]) -> None:
    """Without the report of the other part, the reason has no signal."""
    write_crashing_graph(folder)
    reason = await reason_of(make(), folder)
    assert "SIGFPE" in reason or "without a result (status 0)" in reason
    assert not children_left()
