"""Which slices a group has, in turns and beside them; and what cannot be started."""

import os
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import typer

from benchmarks.compare import _tree
from benchmarks.harness.ceiling_workers import CeilingWorkers
from benchmarks.harness.comparison_run import _parts, other_loads
from benchmarks.harness.participants import Group, _enter_or_note, _on_a_free_port, _planned_servers
from benchmarks.harness.results import Recorder
from benchmarks.harness.run_plan import Plan, groups
from benchmarks.harness.server_process import RunningServer
from benchmarks.harness.server_under_test import ServerUnderTest
from benchmarks.harness.servers import PEERS, Server, echo, raw, service
from benchmarks.workloads import ROOT, WORKLOADS

ALL_PEERS = tuple(server for servers in PEERS.values() for server in servers)
A, INT8 = WORKLOADS["A"], WORKLOADS["A-int8"]


def subject(server: Server, workload_name: str = "A") -> ServerUnderTest:
    """At a process that is there; nothing is sent to it."""
    return ServerUnderTest(WORKLOADS[workload_name], RunningServer(server, os.getpid(), 1.0))


def group() -> Group:
    """Ceilings and servers of A and A-int8."""
    servers = [subject(echo(A, 1)), subject(service(A, 2)), subject(service(INT8, 3), "A-int8")]
    form = replace(raw(A), path=A.form, content_type="multipart/form-data; boundary=benchmark-boundary")
    servers += [subject(Server(name, [], 4, "/", raw(A) if name == "mosec" else form)) for name in ("naive", "mosec")]
    return Group([(A, CeilingWorkers(A, [])), (INT8, CeilingWorkers(INT8, []))], servers)


def names(workloads: str) -> list[list[str]]:
    return [
        [workload.name for workload in found] for found in groups([WORKLOADS[name] for name in workloads.split(",")])
    ]


def test_int8_shares_the_turns_of_the_peers() -> None:
    """As do the other workloads of the same image; each has turns of its own where it is measured alone."""
    assert names("A-int8,A,B") == [["A", "A-int8"], ["B"]]
    assert names("A,A-onnxruntime,A-bf16,A-int8") == [["A", "A-onnxruntime", "A-bf16", "A-int8"]]
    assert names("A-int8,C") == [["C"], ["A-int8"]]


def test_everything_of_a_group_is_up_once() -> None:
    """One echo, a service for each workload and tree, every peer."""
    found = [
        f"{workload.name} {name}"
        for workload, name, _ in _planned_servers([A, INT8], Plan(8, peers=ALL_PEERS, against=Path("b")))
    ]
    services = ["A service", "A against", "A-int8 service", "A-int8 against"]
    assert found == ["A echo", *services, *(f"A {name}" for name in ALL_PEERS)]


def test_int8_alone_has_no_peers() -> None:
    """They would serve another network than the one that it has."""
    assert [name for _, name, _ in _planned_servers([INT8], Plan(8, peers=ALL_PEERS))] == ["echo", "service"]


def test_ceilings_and_servers_take_turns_at_once_and_some_alone() -> None:
    """All with many connections; with one, the stages, the service and the plain handler."""
    (many, turns), (single, same), *_ = _parts(group(), Plan(8))
    assert turns == same == range(8)
    assert [(piece.key.workload, piece.key.subject, piece.key.load or piece.key.what) for piece in many] == [
        ("A", "machine", "processes"),
        ("A", "machine", "processes-full"),
        ("A-int8", "machine", "processes"),
        ("A-int8", "machine", "processes-full"),
        ("A", "echo", "c=32 raw"),
        ("A", "service", "c=32 raw"),
        ("A-int8", "service", "c=32 raw"),
        ("A", "naive", "c=32 multipart"),
        ("A", "mosec", "c=32 raw"),
    ]
    assert [(piece.key.subject, piece.key.load or piece.key.what) for piece in single] == [
        ("machine", "single-image"),
        ("machine", "single-image"),
        ("service", "c=1 raw"),
        ("service", "c=1 raw"),
        ("naive", "c=1 multipart"),
    ]


def test_what_took_turns_is_not_measured_again() -> None:
    """The other numbers of connections are; the service also gets a form, with all of them."""
    loads = {name: [piece.key.load for piece in other_loads(found, 2)] for name, found in _by_name(group()).items()}
    assert loads["naive"] == ["c=8 multipart", "c=64 multipart", "c=256 multipart"]
    assert loads["mosec"] == ["c=1 raw", "c=8 raw", "c=64 raw", "c=256 raw"]
    forms = [load for load in loads["service"] if load.endswith("multipart")]
    assert forms == [f"c={count} multipart" for count in A.connections]
    assert [load for load in loads["service"] if load.endswith("raw")] == ["c=8 raw", "c=64 raw", "c=256 raw"]


def test_a_workload_of_turns_alone_has_no_other_loads() -> None:
    """Neither stages, nor starts, nor other numbers of connections, nor open loops."""
    workload = WORKLOADS["A-onnxruntime"]
    only = Group([], [ServerUnderTest(workload, RunningServer(service(workload, 5), os.getpid(), 1.0))])
    (many, _), (single, _), *rest = _parts(only, Plan(8, open_loads=(0.5, 2.0)))
    assert [piece.key.load for piece in (*many, *single)] == ["c=32 raw", "c=1 raw"]
    assert not [piece for slices, _ in rest for piece in slices]


def _by_name(found: Group) -> dict[str, ServerUnderTest]:
    return {one.server.name: one for one in found.servers if one.workload.name == "A"}


def test_a_brief_run_has_turns_and_the_stages_alone() -> None:
    """One ceiling, no other loads, no open loops."""
    parts = [[piece.key.what for piece in slices] for slices, _ in _parts(group(), Plan(5, brief=True))]
    assert parts[0].count("processes") == 2
    assert "processes-full" not in parts[0]
    assert parts[2:] == [["stages", "stages"], [], []]


def test_the_largest_open_loop_has_turns() -> None:
    """It is judged; the others are shown."""
    *_, lower, highest = _parts(group(), Plan(8, open_loads=(0.5, 2.0)))
    assert ([piece.key.load for piece in lower[0]], lower[1]) == (["0.5x", "0.5x"], range(1))
    assert ([piece.key.load for piece in highest[0]], highest[1]) == (["2x", "2x"], range(3))


def test_the_service_is_started_three_times() -> None:
    """Once to stay, and twice more: that time is judged."""
    turns = [turns for slices, turns in _parts(group(), Plan(8)) if slices and slices[0].key.what == "start"]
    assert turns == [range(1, 3)]


def test_what_does_not_start_is_named_and_missing() -> None:
    """An environment that was not made, or a server that ends at once."""
    recorder = Recorder(lambda _: None)

    def not_made(port: int) -> Server:
        raise FileNotFoundError("`make bench PEERS=mosec` makes it")

    with ExitStack() as stack:
        assert _enter_or_note(recorder, stack, "A, mosec", partial(_on_a_free_port, not_made)) is None
        ends = partial(_on_a_free_port, lambda port: Server("ends", ["false"], port, "/", raw(A), "/readyz"))
        assert _enter_or_note(recorder, stack, "A, ends", ends) is None
    assert recorder.notes[0] == "A, mosec: `make bench PEERS=mosec` makes it"
    assert recorder.notes[1].startswith("A, ends: ends is not ready")


def test_another_tree_must_be_one(tmp_path: Path) -> None:
    """Not this one, and not any folder."""
    for path in (ROOT, tmp_path):
        with pytest.raises(typer.BadParameter):
            _tree(path)
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "__main__.py").touch()
    assert _tree(tmp_path) == tmp_path.resolve()
    assert _tree(None) is None
