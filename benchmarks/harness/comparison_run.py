"""One group of works, side by side: what is compared takes turns in short slices; then all other loads."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from benchmarks.harness.ceiling_workers import IN_FULL, LONE, PROCESSES, Crew
from benchmarks.harness.interleaving import Found, Slice, take
from benchmarks.harness.participants import Group, started
from benchmarks.harness.results import Key, Recorder
from benchmarks.harness.run_plan import Plan
from benchmarks.harness.server_process import free_port, running
from benchmarks.harness.server_under_test import Seat
from benchmarks.harness.servers import AGAINST, ALONE, MACHINE, SERVICE, service
from benchmarks.workloads import Work

OVERLOAD_TURNS = STARTS = 3
"""Of the largest open loop and of the service's start, which are judged."""
Say = Callable[[str, int], None]
"""Is told what begins, and how many slices there will be in all, or 0 while that is not known."""


def measure(recorder: Recorder, works: Sequence[Work], plan: Plan, say: Say) -> None:
    """Everything about these works, which share their turns."""
    with started(recorder, works, plan, lambda text: say(text, 0)) as group:
        parts = list(_parts(group, plan))
        total = sum(len(slices) * len(turns) for slices, turns in parts)
        for slices, turns in parts:
            take(recorder, slices, turns, lambda text: say(text, total), group.gone)


def _parts(group: Group, plan: Plan) -> Iterator[tuple[list[Slice], range]]:
    """Slices, and the turns in which they are taken."""
    yield [*ceilings(group, plan), *(_at_once(seat) for seat in group.seats)], range(plan.turns)
    yield [*lone_stages(group), *(_alone(seat) for seat in group.seats if _takes_turns_alone(seat))], range(plan.turns)
    services = [seat for seat in group.seats if seat.server.name == SERVICE]
    yield [seat.stages() for seat in services], range(1)
    if not plan.brief:
        yield [_start(seat) for seat in services], range(1, STARTS)  # the first one is up
        yield [piece for seat in group.seats for piece in others(seat, plan.seconds)], range(plan.rounds)
    *lower, highest = plan.open_loads or (0.0,)
    yield [_open(seat, multiple, plan) for seat in services for multiple in lower], range(plan.rounds)
    yield [_open(seat, highest, plan) for seat in services if highest], range(max(OVERLOAD_TURNS, plan.rounds))


def ceilings(group: Group, plan: Plan) -> Iterator[Slice]:
    """What each ceiling does in a turn."""
    for work, crew in group.crews:
        for what in (PROCESSES,) if plan.brief else (PROCESSES, IN_FULL):
            yield _without_http(work, crew, what)


def lone_stages(group: Group) -> Iterator[Slice]:
    return (_without_http(work, crew, LONE) for work, crew in group.crews)


def _without_http(work: Work, crew: Crew, what: str) -> Slice:
    return Slice(Key(work.name, MACHINE, what), crew, lambda: Found(crew.run(what, work.stretch)))


def _at_once(seat: Seat) -> Slice:
    return seat.closed(seat.work.abreast, seat.form, seat.work.stretch)


def _takes_turns_alone(seat: Seat) -> bool:
    return seat.server.name in ALONE


def _alone(seat: Seat) -> Slice:
    return seat.closed(1, seat.form, seat.work.stretch)


def others(seat: Seat, seconds: float) -> Iterator[Slice]:
    """The closed loops that are not part of the turns: other numbers of connections, for the service also a form."""
    if seat.server.name == AGAINST:
        return
    done = {seat.work.abreast} | ({1} if _takes_turns_alone(seat) else set())
    for connections in seat.work.connections:
        if connections not in done:
            yield seat.closed(connections, seat.form, seconds * seat.work.stretch)
        if seat.server.name == SERVICE:
            yield seat.closed(connections, "multipart", seconds * seat.work.stretch)


def _start(seat: Seat) -> Slice:
    """The same service once more, until it is ready."""
    return Slice(seat.key._replace(what="start"), seat, lambda: _started_again(seat.work))


def _started_again(work: Work) -> Found:
    with running(replace(service(work, free_port()), log=f"{work.name}-again")) as again:
        return Found({"seconds": again.start_s})


def _open(seat: Seat, multiple: float, plan: Plan) -> Slice:
    return seat.open(multiple, plan.seconds * seat.work.stretch, plan.deadline_ms)
