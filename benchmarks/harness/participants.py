"""The ceilings and servers of works that share their turns: all up at once, warm and at rest."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from benchmarks.harness.ceiling_workers import PROCESSES, Crew, crew
from benchmarks.harness.interleaving import FAILURES
from benchmarks.harness.results import Key, Recorder
from benchmarks.harness.run_plan import Plan
from benchmarks.harness.server_process import Running, free_port, running
from benchmarks.harness.server_under_test import Seat, idle_cores
from benchmarks.harness.servers import AGAINST, ECHO, MACHINE, SERVICE, Server, echo, peer, service
from benchmarks.micro import ceilings
from benchmarks.workloads import Work

T = TypeVar("T")


@dataclass
class Group:
    """What is up. gone: names of those that failed, who have no further turns."""

    crews: list[tuple[Work, Crew]] = field(default_factory=list)
    seats: list[Seat] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)


@contextmanager
def started(recorder: Recorder, works: Sequence[Work], plan: Plan, say: Callable[[str], None]) -> Iterator[Group]:
    """What does not start is named in the notes and missing from the group."""
    group = Group()
    with ExitStack() as stack:
        for work in works:
            say(f"{work.name}: one thread")
            machine(recorder, work, plan.seconds)
            if up := _entered(
                recorder, stack, f"{work.name}, {PROCESSES}", partial(crew, work, plan.seconds * work.stretch)
            ):
                group.crews.append((work, up))
        for work, name, make in _servers(works, plan):
            say(f"{work.name}: start {name}")
            if ready := _entered(recorder, stack, f"{work.name}, {name}", partial(_on_a_free_port, make)):
                seat = Seat(work, ready)
                stack.callback(seat.resume)
                group.seats.append(seat)
                recorder.server_commands[f"{work.name} {name}"] = " ".join(seat.server.command)
        say(f"{works[0].name}: warm-up")
        _settle(recorder, group)
        yield group


def machine(recorder: Recorder, work: Work, seconds: float) -> None:
    """Decoding and the session in one thread, without HTTP."""
    for in_full in (False, True):
        values = ceilings.decoding(work, seconds / 4, in_full=in_full)
        recorder.add(Key(work.name, MACHINE, "decode-full" if in_full else "decode"), 0, values)
    for size, values in ceilings.sessions(work, seconds).items():
        recorder.add(Key(work.name, MACHINE, "session", f"batch {size}"), 0, values)


def _servers(works: Sequence[Work], plan: Plan) -> Iterator[tuple[Work, str, Callable[[int], Server]]]:
    first = works[0]
    if not plan.brief:
        yield first, ECHO, partial(echo, first)
    for work in works:
        yield work, SERVICE, partial(service, work)
        if plan.against:
            yield work, AGAINST, partial(service, work, root=plan.against)
    for name in () if first.beside else plan.peers:
        yield first, name, partial(peer, name, first)


def _on_a_free_port(make: Callable[[int], Server]) -> AbstractContextManager[Running]:
    return running(make(free_port()))


def _entered(
    recorder: Recorder, stack: ExitStack, name: str, make: Callable[[], AbstractContextManager[T]]
) -> T | None:
    try:
        return stack.enter_context(make())
    except FAILURES as error:
        recorder.note(f"{name}: {error}")
        return None


def _settle(recorder: Recorder, group: Group) -> None:
    """Warm each up, then see what all use while idle."""
    for seat in group.seats:
        try:
            seat.warm_up()
        except FAILURES as error:
            group.gone.add(seat.name)
            recorder.note(f"{seat.work.name}, {seat.name}, warm-up: {error}")
    used = idle_cores(group.seats)
    for seat in group.seats:
        recorder.add(seat.key._replace(what="start"), 0, seat.rest(used[seat.name]))
