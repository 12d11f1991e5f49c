"""Measure one group of workloads: first what is compared, in interleaved short slices; then all other loads."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from benchmarks.harness.ceiling_workers import IN_FULL, PROCESSES, SINGLE_IMAGE, CeilingWorkers
from benchmarks.harness.interleaving import Slice, SliceResult, run_interleaved
from benchmarks.harness.participants import Group, started
from benchmarks.harness.results import Key, Recorder
from benchmarks.harness.run_plan import Plan
from benchmarks.harness.server_process import free_port, running
from benchmarks.harness.server_under_test import ServerUnderTest
from benchmarks.harness.servers import AGAINST, MACHINE, ONE_CONNECTION_SUBJECTS, SERVICE, service
from benchmarks.workloads import Workload

OVERLOAD_TURNS = STARTS = 3
"""Repetitions of the largest open loop and of the service's start, which `check.py` judges."""
ProgressCallback = Callable[[str, int], None]
"""Called with a text that says what begins, and the number of slices in all, or 0 while that is not known."""


def measure(recorder: Recorder, workloads: Sequence[Workload], plan: Plan, on_progress: ProgressCallback) -> None:
    """Record everything that the plan wants about these workloads, which share their turns."""
    with started(recorder, workloads, plan, lambda text: on_progress(text, 0)) as group:
        parts = list(_parts(group, plan))
        total = sum(len(slices) * len(turns) for slices, turns in parts)
        for slices, turns in parts:
            run_interleaved(recorder, slices, turns, lambda text: on_progress(text, total), group.failed)


def _parts(group: Group, plan: Plan) -> Iterator[tuple[list[Slice], range]]:
    """Yield lists of slices, each with the turns in which the list runs."""
    yield [*ceiling_slices(group, plan), *(_many_connections(subject) for subject in group.servers)], range(plan.turns)
    one_connection = [_one_connection(subject) for subject in group.servers if _has_one_connection_turns(subject)]
    yield [*single_image_slices(group), *one_connection], range(plan.turns)
    services = [subject for subject in group.servers if subject.server.name == SERVICE]
    services = [subject for subject in services if not subject.workload.turns_only]
    yield [subject.stages() for subject in services], range(1)
    if not plan.brief:
        # Turn 0 is the start of the server that runs already.
        yield [_start(subject) for subject in services], range(1, STARTS)
        yield [piece for subject in group.servers for piece in other_loads(subject, plan.seconds)], range(plan.rounds)
    *lower, highest = plan.open_loads or (0.0,)
    yield [_open(subject, multiple, plan) for subject in services for multiple in lower], range(plan.rounds)
    yield [_open(subject, highest, plan) for subject in services if highest], range(max(OVERLOAD_TURNS, plan.rounds))


def ceiling_slices(group: Group, plan: Plan) -> Iterator[Slice]:
    """Yield the slices in which all processes of a ceiling work."""
    for workload, workers in group.ceilings:
        for what in (PROCESSES,) if plan.brief else (PROCESSES, IN_FULL):
            yield _without_http(workload, workers, what)


def single_image_slices(group: Group) -> Iterator[Slice]:
    """Return the slices that measure decoding and the session for one image at a time, without HTTP."""
    return (_without_http(workload, workers, SINGLE_IMAGE) for workload, workers in group.ceilings)


def _without_http(workload: Workload, workers: CeilingWorkers, what: str) -> Slice:
    key = Key(workload.name, MACHINE, what)
    return Slice(key, workers, lambda: SliceResult(workers.run(what, workload.duration_factor)))


def _many_connections(subject: ServerUnderTest) -> Slice:
    return subject.closed(subject.workload.parallel_connections, subject.form, subject.workload.duration_factor)


def _has_one_connection_turns(subject: ServerUnderTest) -> bool:
    return subject.server.name in ONE_CONNECTION_SUBJECTS


def _one_connection(subject: ServerUnderTest) -> Slice:
    return subject.closed(1, subject.form, subject.workload.duration_factor)


def other_loads(subject: ServerUnderTest, seconds: float) -> Iterator[Slice]:
    """Yield the closed loops that are not part of the turns.

    These are the other numbers of connections, and for the service every number of connections with multipart bodies.
    """
    if subject.server.name == AGAINST or subject.workload.turns_only:
        return
    done = {subject.workload.parallel_connections} | ({1} if _has_one_connection_turns(subject) else set())
    for connections in subject.workload.connections:
        if connections not in done:
            yield subject.closed(connections, subject.form, seconds * subject.workload.duration_factor)
        if subject.server.name == SERVICE:
            yield subject.closed(connections, "multipart", seconds * subject.workload.duration_factor)


def _start(subject: ServerUnderTest) -> Slice:
    """Return the slice that starts one more process of the same service and waits until it is ready."""
    return Slice(subject.key._replace(what="start"), subject, lambda: _started_again(subject.workload))


def _started_again(workload: Workload) -> SliceResult:
    with running(replace(service(workload, free_port()), log=f"{workload.name}-again")) as again:
        return SliceResult({"seconds": again.start_s})


def _open(subject: ServerUnderTest, multiple: float, plan: Plan) -> Slice:
    return subject.open(multiple, plan.seconds * subject.workload.duration_factor, plan.deadline_ms)
