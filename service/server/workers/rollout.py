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
        what the others serve, and why. retire_limit_s: time for versions to retire in the frontends, and again in the
        engine processes.
        """
        self._engines, self._frontends = engines, frontends
        self._in_service, self._refuse, self._retire_limit_s = in_service, refuse, retire_limit_s
        self._committed: RepositoryState | None = None
        self._latest = first
        self._preparing: RepositoryState | None = None
        self._closed = False
        self._failures = dict[str, str]()
        self._deaths = 0
        self._missing = set[str]()
        self._all_replied = asyncio.Event()

    @property
    def at_start(self) -> RepositoryState:
        """The state for a process that starts now."""
        return self._committed or self._latest

    def close(self) -> None:
        """End the change that is being made with RepositoryError, and each one that is tried later.

        No process serves any more what was committed; another rollout takes over.
        """
        self._closed = True
        self._all_replied.set()

    async def prepare(self, state: RepositoryState) -> Mapping[str, str]:
        """Let all processes that are up open what is ready in `state`.

        Returns why versions cannot be served, by name. Raises RepositoryError after `close`.
        """
        self._require_open()
        taking_part = [each for each in (*self._engines, *self._frontends) if self._takes_part(each)]
        self._preparing, self._latest = state, state
        self._failures, self._deaths = {}, 0
        self._missing = {process.name for process in taking_part if process.prepared != state.number}
        for process in taking_part:
            if process.process is not None and process.given != state.number:
                self._send(process, state)
        await self._replies()
        return self._failures

    async def commit(self, number: int) -> None:
        """Commit the prepared state: in the frontends, and in the engine processes after all frontends.

        Ends when what is no longer ready is gone in all of them. Raises RepositoryError after `close`.
        """
        self._require_open()
        assert self._preparing is not None
        self._committed, self._preparing = self._preparing, None
        for process in (*self._engines, *self._frontends):  # that have started since, and still open an earlier state
            if process.process is not None and process.given != number:
                self._send(process, self._committed)
        await self._committed_in(self._frontends, number)
        await self._committed_in(self._engines, number)

    async def _committed_in(self, processes: Sequence[ManagedProcess], number: int) -> None:
        """Commit in processes, and wait until what is no longer ready is gone there, but not beyond the limit."""
        self._missing = {process.name for process in self._commit_in(processes, number)}
        try:
            async with asyncio.timeout(self._retire_limit_s):
                await self._replies()
        except TimeoutError:
            late = ", ".join(sorted(self._missing))
            logger.warning("%s: a change of models is not complete after %g s", late, self._retire_limit_s)

    def prepared(self, process: ManagedProcess, number: int, failures: Mapping[str, str]) -> None:
        """Note that a process has prepared a state. failures: why it cannot serve versions, by name."""
        if number != process.given:  # it has been sent a later state since, and prepares that too
            return
        process.prepared = number
        served = self._committed.versions if self._committed is not None else {}
        if broken := [f"{name}: {why}" for name, why in failures.items() if name in served and _is_ready(served[name])]:
            self._refuse(process, "; ".join(broken))
        elif self._preparing is not None and number == self._preparing.number:
            self._failures |= failures
            self._replied(process)
        elif self._committed is not None and number == self._committed.number:
            self._commit_in([process], number)
            if self._preparing is not None:
                self._missing.add(process.name)
                self._send(process, self._preparing)

    def retired(self, process: ManagedProcess, number: int) -> None:
        """Note that a process has committed a state, and that what is no longer ready is gone there."""
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

        Later it waits for those that have the committed state, and for each that gets it meanwhile.
        """
        if self._committed is None:
            return True
        return process.process is not None and process.prepared == self._committed.number

    def _send(self, process: ManagedProcess, state: RepositoryState) -> None:
        process.given = state.number
        process.send(PREPARE, descriptors=[to_memfd(state.to_json())])

    def _commit_in(self, processes: Sequence[ManagedProcess], number: int) -> list[ManagedProcess]:
        """Commit in those that have prepared the state and not committed it yet, and return them."""
        able = [
            process
            for process in processes
            if process.process is not None and process.prepared == number != process.committed
        ]
        for process in able:
            process.committed = number
            process.send(COMMIT, str(number).encode())
            self._in_service(process)
        return able

    async def _replies(self) -> None:
        """Wait until no reply is missing. Raises RepositoryError after `close`."""
        while self._missing and not self._closed:
            self._all_replied.clear()
            await self._all_replied.wait()
        self._require_open()

    def _require_open(self) -> None:
        if self._closed:
            raise RepositoryError("the service has started anew during the change; look at what is served now")

    def _replied(self, process: ManagedProcess) -> None:
        self._missing.discard(process.name)
        if not self._missing:
            self._all_replied.set()


def _is_ready(record: VersionRecord | None) -> bool:
    return record is not None and record.state == "ready"
