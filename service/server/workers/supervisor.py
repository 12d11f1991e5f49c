"""The main process: listens, starts frontends and engine processes, restarts dead ones, and ends last."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Sequence
from itertools import chain

from service.repository.served_versions import ServedVersions
from service.server.sockets import listen
from service.server.workers import control_channel
from service.server.workers.agreement import Agreement
from service.server.workers.balancer import ConnectionBalancer
from service.server.workers.heartbeat import Heartbeat
from service.server.workers.metrics import MetricsCollector
from service.server.workers.plan import ProcessPlan
from service.server.workers.process import MAX_QUICK_DEATHS, ManagedProcess
from service.settings import Settings
from service.telemetry import log

logger = logging.getLogger(__name__)

_GRACE_S = 20.0
"""Seconds after the drain of the frontends at which the main process ends. A frontend's own watchdog ends it before."""
_MAX_SAID = 2000
"""Limit of the text about other processes in the response of /readyz, in characters."""


def supervise(settings: Settings, plan: ProcessPlan) -> int:
    """Serve until a signal ends the service, and return the exit status. Raises CannotListen."""
    listeners = listen(settings.host, settings.port)
    return asyncio.run(Supervisor(settings, plan, listeners).run())


class Supervisor:
    """Starts and restarts the processes and passes descriptors on. Does no work on requests."""

    def __init__(self, settings: Settings, plan: ProcessPlan, listeners: Sequence[socket.socket]) -> None:
        """Create a supervisor inside an event loop."""
        self._settings = settings
        self._listeners = listeners
        self._frontends, self._engines = plan.frontends(settings), plan.engines(settings)
        self._balancer = ConnectionBalancer(listeners, self._frontends)
        self._gathering = MetricsCollector([*self._frontends, *self._engines])
        self._heartbeat = Heartbeat(self._processes, settings.worker_timeout_s)
        self._agreement = Agreement(engines=bool(self._engines))
        self._draining = False
        self._finished: asyncio.Future[int] | None = None

    async def run(self) -> int:
        """Run until the service ends. Return exit status 0 after a signal if every accepted request was answered."""
        loop = asyncio.get_running_loop()
        self._finished = loop.create_future()
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        try:
            for place in self._processes():
                self._start(place)
            self._heartbeat.start()
            return await self._finished
        finally:
            self._kill_all()

    def _processes(self) -> "chain[ManagedProcess]":
        return chain(self._engines, self._frontends)

    def _start(self, place: ManagedProcess) -> None:
        if self._draining and place in self._frontends:
            return
        place.launch(self._hear, self._balancer.take_back, self._agreement.served)
        others = self._frontends if place in self._engines else self._engines
        for other in others:
            if other.process is not None:
                _connect(place, other)

    def _hear(self, place: ManagedProcess, kind: bytes, text: bytes, descriptors: Sequence[int]) -> None:
        match kind:
            case control_channel.STARTED:
                self._take_up(place, ServedVersions.from_json(control_channel.read_memfd(descriptors[0])))
            case control_channel.READY:
                loaded = ServedVersions.from_json(control_channel.read_memfd(descriptors[0]))
                self._take_into_service(place, loaded, text.decode(errors="replace"))
            case control_channel.CHANGED:
                self._refuse(place, text.decode(errors="replace"))
            case control_channel.PING:
                place.missed_heartbeats = 0
            case control_channel.CONNECTIONS_CLOSED:
                self._balancer.ended(place, int(text))
            case control_channel.STOP_ACCEPTING:
                self._let_end(place)
            case control_channel.SNAPSHOT:
                self._gathering.add(place, int(text), descriptors)
            case control_channel.SCRAPE:
                self._gathering.gather(place, text)
            case control_channel.FATAL:
                self._give_up(text.decode(errors="replace"), 2)

    def _take_up(self, place: ManagedProcess, found: ServedVersions) -> None:
        if reason := self._agreement.found(found):
            self._refuse(place, reason)
            return
        place.up = True
        if place in self._frontends:
            self._announce()
            self._tell_degraded()
        self._balancer.watch()

    def _take_into_service(self, place: ManagedProcess, loaded: ServedVersions, failed: str) -> None:
        if reason := self._agreement.loaded(loaded):
            self._refuse(place, reason)
            return
        if failed:
            self._give_up(failed, 1)
            return
        place.ready, place.refused = True, ""
        self._tell_degraded()
        place.tell(control_channel.READY)

    def _refuse(self, place: ManagedProcess, reason: str) -> None:
        """Stop a process that cannot load what the others serve.

        While others serve the verified versions, it gets no connections and is tried again. If none does, all start
        again.
        """
        known, place.refused = place.refused == reason, reason
        place.signal(signal.SIGKILL)
        if known:
            return
        if any(other.ready for other in self._processes() if other.kind == place.kind):
            logger.error(
                "%s; the others go on, it is tried again; restart the service to serve what is there now", _said(place)
            )
        else:
            logger.error("%s, and no other process is left that can: the service starts anew", _said(place))
            self._agreement.forget()
            for other in self._processes():
                other.refused = ""
                if other is not place:
                    other.signal(signal.SIGTERM)
        self._tell_degraded()

    def _tell_degraded(self) -> None:
        """Send all frontends what is wrong with other processes, for /readyz."""
        said = "; ".join(_said(place) for place in self._processes() if place.refused)
        for frontend in self._frontends:
            frontend.tell(control_channel.DEGRADED, said[:_MAX_SAID].encode())

    def _announce(self) -> None:
        """Log the addresses of the service, once."""
        for listener in self._listeners:
            host, port = listener.getsockname()[:2]
            logger.info("running on http://%s:%d", f"[{host}]" if ":" in host else host, port)
        self._listeners = ()

    def _let_end(self, frontend: ManagedProcess) -> None:
        """Confirm that a frontend gets no more connections.

        Messages keep their order: every connection passed to the frontend before arrives before this confirmation.
        """
        if self._draining:
            self._balancer.shut()
        frontend.up = frontend.ready = False
        self._balancer.watch()
        frontend.tell(control_channel.STOP_ACCEPTING)

    def _reap(self) -> None:
        """Collect the exit status of every child.

        If this process is PID 1, these include the orphaned children of a dead frontend.
        """
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                for place in self._processes():
                    if place.process is not None and place.process.pid == pid:
                        place.process.returncode = os.waitstatus_to_exitcode(status)
                        self._ended(place, place.process.returncode)

    def _ended(self, place: ManagedProcess, status: int) -> None:
        self._gathering.ended(place)
        pause_s = place.ended(status)
        self._balancer.watch()
        if self._draining and place in self._frontends:
            self._finish_if_drained()
        elif place.restart_limit_reached:
            self._give_up(f"{place.name} has died {MAX_QUICK_DEATHS} times right after its start; the log says why", 1)
        else:
            place.restarts += 1
            logger.warning("%s has ended with status %d; another starts in %.1f s", place.name, status, pause_s)
            asyncio.get_running_loop().call_later(pause_s, self._start, place)

    def _stop(self, number: int) -> None:
        """Handle a signal: the first drains, the second skips the delay, the third skips the responses."""
        if not self._draining:
            self._draining = True
            for frontend in self._frontends:
                frontend.status = 0
            limit_s = self._settings.drain_delay_s + self._settings.drain_limit_s + _GRACE_S
            asyncio.get_running_loop().call_later(limit_s, self._finish, 1)
        for frontend in self._frontends:
            frontend.signal(number)
        self._finish_if_drained()

    def _finish_if_drained(self) -> None:
        if all(frontend.process is None for frontend in self._frontends):
            self._finish(int(any(frontend.status for frontend in self._frontends)))

    def _finish(self, status: int) -> None:
        if self._finished is not None and not self._finished.done():
            self._finished.set_result(status)

    def _kill_all(self) -> None:
        """Kill the processes that are left.

        Frontends have ended or exceeded their time; engine processes have no more work.
        """
        asyncio.get_running_loop().remove_signal_handler(signal.SIGCHLD)
        for place in self._processes():
            if place.process is not None:
                place.process.kill()
                place.process.wait()

    def _give_up(self, message: str, status: int) -> None:
        """Log one line and end, even if several processes report the same error."""
        if self._finished is not None and not self._finished.done():
            log.write_line(message)
            self._finish(status)


def _said(place: ManagedProcess) -> str:
    return f"{place.name} cannot load what the service serves ({place.refused})"


def _connect(one: ManagedProcess, other: ManagedProcess) -> None:
    """Connect two processes by an unnamed stream socket."""
    ends = socket.socketpair()
    one.tell(control_channel.LINK, str(other.number).encode(), [ends[0].detach()])
    other.tell(control_channel.LINK, str(one.number).encode(), [ends[1].detach()])
