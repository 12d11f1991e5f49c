"""Start the ceilings and servers of workloads that share their turns: all run at once, warmed up and idle."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from benchmarks.harness.ceiling_workers import PROCESSES, CeilingWorkers, ceiling_workers
from benchmarks.harness.interleaving import FAILURES
from benchmarks.harness.results import Key, Recorder
from benchmarks.harness.run_plan import Plan
from benchmarks.harness.server_process import RunningServer, free_port, running
from benchmarks.harness.server_under_test import ServerUnderTest, idle_cores
from benchmarks.harness.servers import AGAINST, ECHO, MACHINE, SERVICE, Server, echo, peer, service
from benchmarks.micro import ceilings
from benchmarks.workloads import Workload

T = TypeVar("T")


@dataclass
class Group:
    """The running participants. failed: names of the participants that failed and get no further turns."""

    ceilings: list[tuple[Workload, CeilingWorkers]] = field(default_factory=list)
    servers: list[ServerUnderTest] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)


@contextmanager
def started(
    recorder: Recorder, workloads: Sequence[Workload], plan: Plan, on_progress: Callable[[str], None]
) -> Iterator[Group]:
    """Start every participant and stop all at the end; one that does not start is noted and left out of the group."""
    group = Group()
    with ExitStack() as stack:
        for workload in workloads:
            on_progress(f"{workload.name}: one thread")
            measure_one_thread(recorder, workload, plan.seconds)
            if workers := _enter_or_note(
                recorder,
                stack,
                f"{workload.name}, {PROCESSES}",
                partial(ceiling_workers, workload, plan.seconds * workload.duration_factor),
            ):
                group.ceilings.append((workload, workers))
                recorder.ceilings[workload.name] = f"{workers.library}, batches of {workers.batch_size}"
        for workload, name, make in _planned_servers(workloads, plan):
            on_progress(f"{workload.name}: start {name}")
            if ready := _enter_or_note(recorder, stack, f"{workload.name}, {name}", partial(_on_a_free_port, make)):
                subject = ServerUnderTest(workload, ready)
                stack.callback(subject.resume)
                group.servers.append(subject)
                recorder.server_commands[f"{workload.name} {name}"] = " ".join(subject.server.command)
        on_progress(f"{workloads[0].name}: warm-up")
        _warm_up_all(recorder, group)
        yield group


def measure_one_thread(recorder: Recorder, workload: Workload, seconds: float) -> None:
    """Record decoding alone and the network alone, each in one thread, without HTTP."""
    for in_full in (False, True):
        values = ceilings.decoding(workload, seconds / 4, in_full=in_full)
        recorder.add(Key(workload.name, MACHINE, "decode-full" if in_full else "decode"), 0, values)
    for (library, size), values in ceilings.sessions(workload, seconds).items():
        recorder.add(Key(workload.name, MACHINE, "session", f"batch {size} {library}"), 0, values)


def _planned_servers(
    workloads: Sequence[Workload], plan: Plan
) -> Iterator[tuple[Workload, str, Callable[[int], Server]]]:
    """Yield workload, name and factory (port -> Server) of each server that the plan needs."""
    first = workloads[0]
    if not plan.brief:
        yield first, ECHO, partial(echo, first)
    for workload in workloads:
        yield workload, SERVICE, partial(service, workload)
        if plan.against:
            yield workload, AGAINST, partial(service, workload, root=plan.against)
    for name in () if first.shares_turns_with else plan.peers:
        yield first, name, partial(peer, name, first)


def _on_a_free_port(make: Callable[[int], Server]) -> AbstractContextManager[RunningServer]:
    return running(make(free_port()))


def _enter_or_note(
    recorder: Recorder, stack: ExitStack, name: str, make: Callable[[], AbstractContextManager[T]]
) -> T | None:
    """Enter a context manager on the stack; on failure add a note and return None."""
    try:
        return stack.enter_context(make())
    except FAILURES as error:
        recorder.note(f"{name}: {error}")
        return None


def _warm_up_all(recorder: Recorder, group: Group) -> None:
    """Warm up every server, then record the start of each with its CPU use while idle."""
    for subject in group.servers:
        try:
            subject.warm_up()
        except FAILURES as error:
            group.failed.add(subject.name)
            recorder.note(f"{subject.workload.name}, {subject.name}, warm-up: {error}")
    used = idle_cores(group.servers)
    for subject in group.servers:
        recorder.add(subject.key._replace(what="start"), 0, subject.note_idle_use(used[subject.name]))
