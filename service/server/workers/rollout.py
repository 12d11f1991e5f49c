"""Changes the state of all processes in two steps, from the main process: all prepare it, then it is committed."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from service.repository.scan import RepositoryError
from service.repository.state import RepositoryState, VersionRecord
from service.server.workers.control_channel import COMMIT, PREPARE, to_memfd
from service.server.workers.process import ManagedProcess

logger = logging.getLogger(__name__)

_MOST_DEATHS = 1
"""Ends of processes while they prepare a state, also of one that has started again; beyond, what was to become ready is
refused."""


class Rollout:
    """The processes of the service as `Serving` of a Lifecycle.

    A process that is down blocks nothing: it gets the committed state when it starts, and no connection before.
    """

    def __init__(
        self,
        engines: Sequence[ManagedProcess],
        frontends: Sequence[ManagedProcess],
        first: RepositoryState,
        in_service: Callable[[ManagedProcess], None],
        refuse: Callable[[ManagedProcess, str], None],
        retire_limit_s: float,
    ) -> None:
        """Create a rollout; the processes are started with `first`, which is not committed yet.

        in_service: called with a process that has the committed state. refuse: called with a process that cannot open
        what the others serve, and why. retire_limit_s: time for versions to retire in the frontends.
        """
        self._engines, self._frontends = engines, frontends
        self._in_service, self._refuse, self._retire_limit_s = in_service, refuse, retire_limit_s
        self._committed: RepositoryState | None = None
        self._latest = first
        self._preparing: RepositoryState | None = None
        self._starts = 1
        self._failures = dict[str, str]()
        self._deaths = 0
        self._missing = set[str]()
        self._all_replied = asyncio.Event()

    @property
    def at_start(self) -> RepositoryState:
        """The state for a process that starts now."""
        return self._committed or self._latest

    def start_anew(self, first: RepositoryState) -> None:
        """Forget what is committed: no process serves it any more. Processes that start get `first`.

        A change that is being made ends with RepositoryError.
        """
        self._committed, self._preparing, self._latest = None, None, first
        self._starts += 1
        self._missing.clear()
        self._all_replied.set()

    async def prepare(self, state: RepositoryState) -> Mapping[str, str]:
        """Let all processes that are up open what is ready in `state`.

        Returns why versions cannot be served, by name. Raises RepositoryError when the service starts anew meanwhile.
        """
        taking_part = [each for each in (*self._engines, *self._frontends) if self._takes_part(each)]
        self._preparing, self._latest = state, state
        self._failures, self._deaths = {}, 0
        self._missing = {process.name for process in taking_part if process.prepared != state.number}
        self._all_replied.clear()
        for process in taking_part:
            if process.process is not None and process.given != state.number:
                self._send(process, state)
        await self._replies()
        return self._failures

    async def commit(self, number: int) -> None:
        """Commit the prepared state: in the frontends, and in the engine processes after all frontends."""
        assert self._preparing is not None
        self._committed, self._preparing = self._preparing, None
        waiting = self._commit_in(self._frontends, number)
        self._missing = {process.name for process in waiting}
        self._all_replied.clear()
        try:
            async with asyncio.timeout(self._retire_limit_s):
                await self._replies()
        except TimeoutError:
            logger.warning("%s: not all requests of a retired version have ended", ", ".join(sorted(self._missing)))
        self._commit_in(self._engines, number)

    def prepared(self, process: ManagedProcess, number: int, failures: Mapping[str, str]) -> None:
        """Note that a process has prepared a state. failures: why it cannot serve versions, by name."""
        if number != process.given:  # it has been sent another state since, and prepares that too
            return
        process.prepared = number
        served = self._committed.versions if self._committed is not None else {}
        if broken := [f"{name}: {why}" for name, why in failures.items() if name in served and _is_ready(served[name])]:
            self._refuse(process, "; ".join(broken))
        elif self._preparing is not None and number == self._preparing.number:
            self._failures |= failures
            self._replied(process)
        elif self._committed is None or number != self._committed.number:
            self._send(process, self.at_start)
        else:
            self._commit_in([process], number)
            if self._preparing is not None:
                self._send(process, self._preparing)

    def retired(self, process: ManagedProcess, number: int) -> None:
        """Note that a frontend has committed a state, and that what is no longer ready is gone there."""
        if self._committed is not None and number == self._committed.number:
            self._replied(process)

    def ended(self, process: ManagedProcess) -> None:
        """Wait no longer for a process that has ended, except at the first start."""
        if self._preparing is not None:
            if self._committed is None:
                return
            self._deaths += process.given == self._preparing.number != process.prepared
            if self._deaths > _MOST_DEATHS:
                served = self._committed.versions
                opening = [
                    record.name
                    for record in self._preparing.versions.values()
                    if _is_ready(record) and not _is_ready(served.get(record.name))
                ]
                self._failures |= dict.fromkeys(opening, "processes ended several times while they opened it")
                if opening:  # the others may wait for one that ended
                    self._missing.clear()
        self._replied(process)

    def _takes_part(self, process: ManagedProcess) -> bool:
        """Return whether a change waits for a process: at the first start for all, through restarts.

        Later it waits for those that have the committed state; one that is still opening that gets the change
        afterwards.
        """
        if self._committed is None:
            return True
        return process.process is not None and process.prepared == self._committed.number

    def _send(self, process: ManagedProcess, state: RepositoryState) -> None:
        process.given = state.number
        process.send(PREPARE, descriptors=[to_memfd(state.to_json())])

    def _commit_in(self, processes: Sequence[ManagedProcess], number: int) -> list[ManagedProcess]:
        """Commit in those that have prepared the state, and return them."""
        able = [process for process in processes if process.process is not None and process.prepared == number]
        for process in able:
            process.send(COMMIT, str(number).encode())
            self._in_service(process)
        return able

    async def _replies(self) -> None:
        """Wait until no reply is missing. Raises RepositoryError when the service starts anew meanwhile."""
        start = self._starts
        self._end_if_all_replied()
        await self._all_replied.wait()
        if start != self._starts:
            raise RepositoryError("the service has started anew during the change; look at what is served now")

    def _replied(self, process: ManagedProcess) -> None:
        self._missing.discard(process.name)
        self._end_if_all_replied()

    def _end_if_all_replied(self) -> None:
        if not self._missing:
            self._all_replied.set()


def _is_ready(record: VersionRecord | None) -> bool:
    return record is not None and record.state == "ready"
