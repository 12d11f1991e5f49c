"""Two phases over processes that the test plays: which processes are waited for, and which state each gets."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from subprocess import Popen
from typing import cast

import pytest

from service.repository.scan import RepositoryError
from service.repository.state import RepositoryState, VersionRecord
from service.server.workers.control_channel import COMMIT, PREPARE, close_all
from service.server.workers.process import ManagedProcess
from service.server.workers.rollout import Rollout

FIRST = RepositoryState(1, {"colours/1": VersionRecord("colours/1", "aa", "ready")})
SECOND = replace(FIRST, number=2)
THIRD = replace(FIRST, number=3, versions={**FIRST.versions, "colours/2": VersionRecord("colours/2", "bb", "ready")})
FOURTH = replace(FIRST, number=4)
FIFTH = replace(FIRST, number=5, versions={"colours/1": VersionRecord("colours/1", "aa", "retiring")})


class Played(ManagedProcess):
    """A process that remembers what it was sent."""

    def send(self, kind: bytes, text: bytes = b"", descriptors: Sequence[int] = ()) -> None:
        close_all(descriptors)
        vars(self).setdefault("sent", []).append(kind + text if kind == COMMIT else kind)

    @property
    def last(self) -> bytes:
        sent: list[bytes] = vars(self)["sent"]
        return sent[-1]

    def start(self, number: int) -> None:
        self.process, self.given = cast("Popen[bytes]", Popen), number

    def die(self, rollout: Rollout) -> None:
        rollout.ended(self)
        self.process, self.given, self.prepared, self.committed = None, 0, 0, 0


class Service:
    """Two frontends and an engine process, which have started with the first state."""

    def __init__(self) -> None:
        self.engine = Played("engine", 0, "", {})
        self.frontends = [Played("frontend", number, "", {}) for number in range(2)]
        self.in_service, self.refused = list[str](), dict[str, str]()
        self.rollout = Rollout(
            [self.engine],
            self.frontends,
            FIRST,
            lambda process: self.in_service.append(process.name),
            lambda process, reason: self.refused.update({process.name: reason}),
            retire_limit_s=0.2,
        )
        for process in self.all:
            process.start(1)

    @property
    def all(self) -> list[Played]:
        return [self.engine, *self.frontends]

    def prepared(self, number: int, **failures: str) -> None:
        for process in self.all:
            if process.process is not None:
                self.rollout.prepared(process, number, {key.replace("_", "/"): why for key, why in failures.items()})

    async def commit(self, number: int) -> None:
        change = asyncio.ensure_future(self.rollout.commit(number))
        for processes in (self.frontends, [self.engine]):
            await asyncio.sleep(0)
            for process in processes:
                self.rollout.retired(process, number)
            await asyncio.sleep(0)
        await change

    async def change(self, state: RepositoryState) -> dict[str, str]:
        """Prepare a state in all processes, and commit it."""
        preparing = asyncio.ensure_future(self.rollout.prepare(state))
        await asyncio.sleep(0)
        self.prepared(state.number)
        failures = dict(await preparing)
        await self.commit(state.number)
        return failures


async def serving() -> Service:
    """Return a service whose processes all serve the second state."""
    service = Service()
    await service.change(FIRST)
    await service.change(SECOND)
    service.in_service.clear()
    return service


async def test_the_first_state_is_committed_when_all_have_prepared_it() -> None:
    """It came with their start, so it is not sent again; a process that ends is waited for through its restart."""
    service = Service()
    preparing = asyncio.ensure_future(service.rollout.prepare(FIRST))
    await asyncio.sleep(0)
    assert "sent" not in vars(service.engine)
    service.frontends[1].die(service.rollout)
    service.prepared(1)
    await asyncio.sleep(0)
    assert not preparing.done()
    service.frontends[1].start(service.rollout.at_start.number)
    service.rollout.prepared(service.frontends[1], 1, {})
    assert await preparing == {}
    assert service.in_service == []
    await service.commit(1)
    assert set(service.in_service) == {"engine 0", "frontend 0", "frontend 1"}


async def test_engine_processes_commit_after_all_frontends() -> None:
    """So no frontend sends an image of a version that an engine process has closed. The change ends when all have."""
    service = await serving()
    preparing = asyncio.ensure_future(service.rollout.prepare(THIRD))
    await asyncio.sleep(0)
    service.prepared(3)
    await preparing
    committing = asyncio.ensure_future(service.rollout.commit(3))
    await asyncio.sleep(0.01)
    assert [process.last for process in service.all] == [PREPARE, b"K3", b"K3"]
    for process in service.frontends:
        service.rollout.retired(process, 3)
    await asyncio.sleep(0.01)
    assert service.engine.last == b"K3"
    assert not committing.done()
    service.rollout.retired(service.engine, 3)
    await committing


async def test_a_process_that_retires_nothing_does_not_hold_up_a_change_for_ever(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log names it."""
    service = await serving()
    preparing = asyncio.ensure_future(service.rollout.prepare(THIRD))
    await asyncio.sleep(0)
    service.prepared(3)
    await preparing
    committing = asyncio.ensure_future(service.rollout.commit(3))
    await asyncio.sleep(0)
    service.rollout.retired(service.frontends[0], 3)
    await committing
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["frontend 1", "engine 0"]


async def test_an_engine_process_that_starts_during_a_commit_commits_once() -> None:
    """It has nothing to retire, so it need not wait for the frontends."""
    service = await serving()
    service.engine.die(service.rollout)
    service.engine.start(2)
    vars(service.engine)["sent"].clear()
    preparing = asyncio.ensure_future(service.rollout.prepare(THIRD))
    await asyncio.sleep(0)
    for process in service.frontends:
        service.rollout.prepared(process, 3, {})
    await preparing
    committing = asyncio.ensure_future(service.rollout.commit(3))
    await asyncio.sleep(0)
    service.rollout.prepared(service.engine, 3, {})
    for process in service.frontends:
        service.rollout.retired(process, 3)
    await committing
    assert vars(service.engine)["sent"] == [PREPARE, b"K3"]


async def test_a_version_that_one_process_cannot_open_is_named() -> None:
    """The caller then takes the change back."""
    service = await serving()
    preparing = asyncio.ensure_future(service.rollout.prepare(THIRD))
    await asyncio.sleep(0)
    service.rollout.prepared(service.engine, 3, {"colours/2": "no memory"})
    for process in service.frontends:
        service.rollout.prepared(process, 3, {})
    assert await preparing == {"colours/2": "no memory"}
    await service.change(FOURTH)
    assert service.refused == {}


async def test_a_process_that_is_down_blocks_nothing() -> None:
    """It gets the committed state when it starts, and each one that is committed while it still opens that.

    At once, since it may wait for a version that no engine process has any more; its answer to the earlier state is
    of no use.
    """
    service = await serving()
    late = service.frontends[1]
    late.die(service.rollout)
    late.start(service.rollout.at_start.number)
    preparing = asyncio.ensure_future(service.rollout.prepare(FIFTH))
    await asyncio.sleep(0)
    for process in (service.engine, service.frontends[0]):
        service.rollout.prepared(process, 5, {})
    await preparing
    await service.commit(5)
    assert (late.last, late.given) == (PREPARE, 5)
    service.rollout.prepared(late, 2, {"colours/1": "it is no longer wanted"})
    assert (late.last, service.refused) == (PREPARE, {})
    service.rollout.prepared(late, 5, {})
    assert (late.last, service.in_service) == (b"K5", ["frontend 0", "engine 0", "frontend 1"])


async def test_a_process_that_starts_during_a_change_serves_the_old_state_and_then_the_new_one() -> None:
    """Never a state between, and not later than the others, which wait until it has opened the new one."""
    service = await serving()
    late = service.frontends[1]
    late.die(service.rollout)
    late.start(service.rollout.at_start.number)
    vars(late)["sent"].clear()
    preparing = asyncio.ensure_future(service.rollout.prepare(THIRD))
    await asyncio.sleep(0)
    assert vars(late)["sent"] == []
    service.rollout.prepared(late, 2, {})
    assert vars(late)["sent"] == [b"K2", PREPARE]
    for process in (service.engine, service.frontends[0]):
        service.rollout.prepared(process, 3, {})
    await asyncio.sleep(0)
    assert not preparing.done()
    service.rollout.prepared(late, 3, {})
    assert await preparing == {}
    await service.commit(3)
    assert late.last == b"K3"


async def test_a_change_does_not_wait_for_a_process_that_ends_during_a_change() -> None:
    """The others are committed; when it starts, it gets their state."""
    service = await serving()
    preparing = asyncio.ensure_future(service.rollout.prepare(THIRD))
    await asyncio.sleep(0)
    service.frontends[1].die(service.rollout)
    assert service.rollout.at_start == SECOND
    for process in (service.engine, service.frontends[0]):
        service.rollout.prepared(process, 3, {})
    assert await preparing == {}
    await service.commit(3)
    assert service.rollout.at_start == THIRD


async def test_what_ends_several_processes_is_refused() -> None:
    """One may have ended for another reason."""
    service = await serving()
    preparing = asyncio.ensure_future(service.rollout.prepare(THIRD))
    await asyncio.sleep(0)
    for process in service.frontends:
        process.die(service.rollout)
    service.rollout.prepared(service.engine, 3, {})
    assert await preparing == {"colours/2": "processes ended several times while they opened it"}


async def test_what_ends_a_process_twice_is_refused() -> None:
    """Frontends wait for the only engine process; nothing waits for them any more."""
    service = await serving()
    preparing = asyncio.ensure_future(service.rollout.prepare(THIRD))
    await asyncio.sleep(0)
    service.engine.die(service.rollout)
    service.engine.start(service.rollout.at_start.number)
    service.rollout.prepared(service.engine, 2, {})
    assert service.engine.given == 3
    service.engine.die(service.rollout)
    assert await asyncio.wait_for(preparing, 5) == {"colours/2": "processes ended several times while they opened it"}
    giving_up = asyncio.ensure_future(service.rollout.prepare(FOURTH))
    await asyncio.sleep(0)
    for frontend in service.frontends:
        service.rollout.prepared(frontend, 3, {"colours/2": "it is no longer wanted"})
        assert (frontend.last, frontend.given, frontend.prepared) == (PREPARE, 4, 2)
        service.rollout.prepared(frontend, 4, {})
    assert await giving_up == {}


async def test_what_ends_the_only_engine_process_again_and_again_is_refused() -> None:
    """Though the frontends still wait for an engine process that has opened it."""
    service = await serving()
    preparing = asyncio.ensure_future(service.rollout.prepare(THIRD))
    await asyncio.sleep(0)
    service.engine.die(service.rollout)
    service.engine.start(2)
    service.rollout.prepared(service.engine, 2, {})
    service.engine.die(service.rollout)
    assert await preparing == {"colours/2": "processes ended several times while they opened it"}


async def test_a_change_ends_when_the_service_starts_anew() -> None:
    """Replies to it are not waited for; no later one begins, such as that of a version whose check has just passed."""
    service = await serving()
    preparing = asyncio.ensure_future(service.rollout.prepare(THIRD))
    await asyncio.sleep(0)
    service.rollout.close()
    with pytest.raises(RepositoryError, match="has started anew"):
        await preparing
    vars(service.engine)["sent"].clear()
    with pytest.raises(RepositoryError, match="has started anew"):
        await service.rollout.prepare(FOURTH)
    with pytest.raises(RepositoryError, match="has started anew"):
        await service.rollout.commit(3)
    assert vars(service.engine)["sent"] == []


async def test_a_process_that_cannot_open_what_is_served_is_refused() -> None:
    """Whether it has just started, or is to prepare something else."""
    service = await serving()
    late = service.frontends[1]
    late.die(service.rollout)
    late.start(2)
    service.rollout.prepared(late, 2, {"colours/1": "red.png is missing"})
    assert service.refused == {"frontend 1": "colours/1: red.png is missing"}
