"""The main process: listens, starts frontends and engine processes, restarts dead ones, and ends last."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from service.access.exposure import warn_if_open
from service.access.keyring import Keyring
from service.access.rate_limiter import has_limits
from service.access.rate_table import shared_table
from service.repository.announcement import log_ready, log_repository
from service.repository.checker import VersionChecker
from service.repository.lifecycle import Lifecycle
from service.repository.scan import RepositoryError
from service.repository.watcher import Watcher
from service.server.admin_listener import AdminListener, MakePortApp
from service.server.certificates import Certificates, TlsMaterial
from service.server.sockets import CannotListen, addresses_of, begin_listening, bind, listen, log_addresses
from service.server.workers import control_channel
from service.server.workers.balancer import ConnectionBalancer
from service.server.workers.metrics import MetricsCollector
from service.server.workers.plan import ProcessPlan
from service.server.workers.process import MAX_MISSED_HEARTBEATS, MAX_QUICK_DEATHS, ManagedProcess
from service.server.workers.rollout import Rollout
from service.settings import Settings
from service.tasks import begin
from service.telemetry import log
from service.telemetry.metrics import AdminPortMetrics, RequestMetrics

logger = logging.getLogger(__name__)

_GRACE_S = 20.0
"""Seconds after the drain of the frontends at which the main process ends. A frontend's own watchdog ends it before."""
_RETIRE_GRACE_S = 2.0
"""Seconds beyond the longest deadline of a request until a process has to have retired a version."""
_MAX_DETAIL = 2000
"""Limit of the text about other processes in the response of /readyz, in characters."""


AdminApp = Callable[[Callable[[], Lifecycle]], Any]
"""Returns the ASGI application of the admin API, given a function that returns the lifecycle in charge."""
AdminPortApp = Callable[[Callable[[], Lifecycle], RequestMetrics], Any]
"""Returns that of the admin port, which counts its requests."""


def supervise(
    settings: Settings,
    plan: ProcessPlan,
    keyring: Keyring | None = None,
    certificates: Certificates | None = None,
    admin_app: AdminApp | None = None,
    admin_port_app: AdminPortApp | None = None,
) -> int:
    """Serve until a signal ends the service, and return the exit status. Raises CannotListen, RepositoryError.

    keyring: of the settings' key file. certificates: the files for TLS, None to speak HTTP. admin_app: for the admin
    socket; None for no admin API. admin_port_app: for the admin port, if the settings have one.
    """
    listeners = (bind if settings.listen_when_ready else listen)(settings.host, settings.port)
    supervisor = Supervisor(settings, plan, listeners, keyring, certificates, admin_app, admin_port_app)
    return asyncio.run(supervisor.run())


class Supervisor:
    """Starts and restarts the processes and passes descriptors on. Does no work on requests."""

    def __init__(
        self,
        settings: Settings,
        plan: ProcessPlan,
        listeners: Sequence[socket.socket],
        keyring: Keyring | None = None,
        certificates: Certificates | None = None,
        admin_app: AdminApp | None = None,
        admin_port_app: AdminPortApp | None = None,
    ) -> None:
        """keyring: of the settings' key file. Frontends follow the file themselves, from what was valid last."""
        self._settings, self._keyring = settings, keyring
        self._certificates = certificates
        self._rate_table = shared_table() if has_limits(settings) else None
        self._listeners, self._addresses = listeners, addresses_of(listeners, settings.scheme)
        self._ready_to_log = False
        self._frontends, self._engines = plan.frontends(settings), plan.engines(settings)
        self._balancer = ConnectionBalancer(listeners, self._frontends, listening=not settings.listen_when_ready)
        self._processes = [*self._engines, *self._frontends]
        admin_metrics = AdminPortMetrics()
        self._metrics = MetricsCollector(
            self._processes, lambda: self._lifecycle.state.versions, admin_metrics.registry
        )
        self._checker = VersionChecker(*plan.of_networks(settings))
        self._lifecycle = self._new_lifecycle()
        self._rollout = self._new_rollout()
        self._tasks = set[asyncio.Task[None]]()
        self._draining = False
        self._admin = self._new_admin(admin_app, admin_port_app, admin_metrics.requests)

    async def run(self) -> int:
        """Run until the service ends. Return exit status 0 after a signal if every accepted request was answered."""
        loop = asyncio.get_running_loop()
        self._finished: asyncio.Future[int] = loop.create_future()
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        try:
            if self._settings.listen_when_ready:
                message = "bound to %s, and listens there once it is ready"
                log_addresses(self._listeners, self._settings.scheme, message)
            for process in self._processes:
                self._start(process)
            self._check_heartbeats()
            if self._admin is not None:
                self._admin.start()
            loop.add_signal_handler(signal.SIGHUP, lambda: begin(self._lifecycle.rescan(), self._tasks))
            begin(self._start_lifecycle(), self._tasks)
            if self._keyring is not None:
                begin(self._keyring.watch(), self._tasks)
            if self._settings.watch:
                begin(self._watch(), self._tasks)
            if self._certificates is not None:
                begin(self._certificates.follow(self._send_certificates), self._tasks)
            return await self._finished
        finally:
            await self._close_admin()
            self._kill_all()

    def _new_admin(
        self, make_app: AdminApp | None, make_port_app: AdminPortApp | None, metrics: RequestMetrics
    ) -> AdminListener | None:
        """Return the admin API, which listens already. Raises CannotListen."""
        if make_app is None:
            return None
        port_app: MakePortApp | None = None
        if make_port_app is not None:
            port_app = partial(make_port_app, lambda: self._lifecycle)
        port = self._listeners[0].getsockname()[1]
        admin = AdminListener(self._settings, port, lambda: make_app(lambda: self._lifecycle), port_app, metrics)
        if self._certificates is not None:
            admin.use(self._certificates.material)
        return admin

    async def _close_admin(self) -> None:
        if self._admin is not None:
            await self._admin.close()

    def _start(self, process: ManagedProcess) -> None:
        if self._draining and process in self._frontends:
            return
        keys = self._keyring.content if self._keyring is not None else None
        table = self._rate_table if process in self._frontends else None
        process.launch(self._on_message, self._balancer.take_back, self._rollout.at_start, keys, table)
        if self._certificates is not None and process in self._frontends:
            process.send_file(control_channel.CERTIFICATES, self._certificates.material.to_json())
        for other in self._processes:
            if other.kind != process.kind and other.process is not None:
                for each, end in zip((process, other), socket.socketpair(), strict=True):
                    each.send(control_channel.LINK, descriptors=[end.detach()])

    def _check_heartbeats(self) -> None:
        limit_s = self._settings.worker_timeout_s
        for process in self._processes:
            process.check_heartbeat(limit_s)
        asyncio.get_running_loop().call_later(limit_s / MAX_MISSED_HEARTBEATS, self._check_heartbeats)

    def _on_message(self, process: ManagedProcess, kind: bytes, text: bytes, descriptors: Sequence[int]) -> None:
        match kind:
            case control_channel.STARTED:
                self._take_connections(process)
            case control_channel.PREPARED:
                failures = json.loads(control_channel.read_memfd(descriptors[0]))
                self._rollout.prepared(process, int(text), failures)
            case control_channel.RETIRED:
                self._rollout.retired(process, int(text))
            case control_channel.PING:
                process.missed_heartbeats = 0
            case control_channel.CONNECTION_CLOSED:
                process.open_connections -= 1
            case control_channel.LISTEN:
                self._begin_listening()
            case control_channel.STOP_ACCEPTING:
                self._confirm_stop_accepting(process)
            case control_channel.SNAPSHOT:
                self._metrics.add(process, int(text), descriptors[0])
            case control_channel.SCRAPE:
                self._metrics.scrape(process, text)

    async def _start_lifecycle(self) -> None:
        try:
            await self._lifecycle.start(self._rollout)
        except RepositoryError:  # the service starts anew
            return
        if self._lifecycle.failed:
            self._fail(self._lifecycle.failed, 1)
            return
        self._ready_to_log = True
        self._log_ready()

    def _log_ready(self) -> None:
        """Log once after each start of the models that they are ready, when the service listens too."""
        if self._ready_to_log and not self._listeners and not self._draining:
            self._ready_to_log = False
            log_ready(self._lifecycle.state, self._addresses)

    async def _watch(self) -> None:
        """Follow the changes of the repository folder."""
        await Watcher(self._settings.models, lambda: self._lifecycle.rescan()).run()  # noqa: PLW0108 - another one after a start anew

    def _send_certificates(self, material: TlsMaterial) -> None:
        """Let all frontends and the admin port use other certificates for new connections."""
        if self._admin is not None:
            self._admin.use(material)
        for frontend in self._frontends:
            frontend.send_file(control_channel.CERTIFICATES, material.to_json())

    def _take_connections(self, frontend: ManagedProcess) -> None:
        """Give connections to a frontend that has started; it answers probes while it opens the models."""
        frontend.up = True
        if self._listeners and not self._settings.listen_when_ready:
            self._announce()
        self._balancer.update_listening()

    def _in_service(self, process: ManagedProcess) -> None:
        """Use a process that has the committed state, unless it is about to end."""
        process.up = process.ready = not process.leaving
        if process.refused:
            process.refused = ""
            self._send_degraded()
        self._balancer.update_listening()

    def _announce(self) -> None:
        """Log once where the service listens, for whom, and what it serves."""
        warn_if_open(self._settings)
        log_repository(self._settings)
        log_addresses(self._listeners, self._settings.scheme)
        self._listeners = ()

    def _begin_listening(self) -> None:
        """Listen, with `listen_when_ready`: a frontend is ready for the first time."""
        if self._draining or not self._listeners:
            return
        try:
            begin_listening(self._listeners)
        except CannotListen as error:
            self._fail(str(error), 2)
            return
        self._announce()
        self._balancer.begin()
        self._log_ready()

    def _refuse(self, process: ManagedProcess, reason: str) -> None:
        """Stop a process that cannot load what the others serve.

        While others serve them, it gets no connections and is tried again. If none does, all start again with what the
        folder holds now.
        """
        known, process.refused = process.refused == reason, reason
        process.signal(signal.SIGKILL)
        if known:
            return
        if any(other.ready for other in self._processes if other.kind == process.kind):
            logger.error(
                "%s; the others go on, it is tried again; restart the service to serve what is there now",
                _refusal(process),
            )
        else:
            logger.error("%s, and no other process is left that can: the service starts anew", _refusal(process))
            self._start_anew(process)
        self._send_degraded()

    def _start_anew(self, refused: ManagedProcess) -> None:
        """Serve what the folder holds now, since no process is left that serves what it held before."""
        for process in self._processes:
            process.refused = ""
            if process is not refused:
                process.signal(signal.SIGTERM)
        self._lifecycle.end_checks()
        try:
            self._lifecycle = self._new_lifecycle(self._lifecycle.state.number + 1)
        except RepositoryError as error:
            self._fail(str(error), 2)
            return
        self._rollout.close()
        self._rollout = self._new_rollout()
        begin(self._start_lifecycle(), self._tasks)

    def _new_lifecycle(self, number: int = 1) -> Lifecycle:
        return Lifecycle(self._settings.models, self._settings.default_model, self._checker, number)

    def _new_rollout(self) -> Rollout:
        return Rollout(
            self._engines,
            self._frontends,
            self._lifecycle.state,
            self._in_service,
            self._refuse,
            self._settings.deadline_s + _RETIRE_GRACE_S,
        )

    def _send_degraded(self) -> None:
        """Send all frontends what is wrong with other processes, for /readyz."""
        text = "; ".join(_refusal(process) for process in self._processes if process.refused)
        for frontend in self._frontends:
            frontend.send(control_channel.DEGRADED, text[:_MAX_DETAIL].encode())

    def _confirm_stop_accepting(self, frontend: ManagedProcess) -> None:
        """Confirm that a frontend gets no more connections.

        Messages keep their order: every connection passed to the frontend before arrives before this confirmation.
        """
        if self._draining:
            self._balancer.close()
        frontend.up = frontend.ready = False
        frontend.leaving = True
        self._balancer.update_listening()
        frontend.send(control_channel.STOP_ACCEPTING)

    def _reap(self) -> None:
        """Collect the exit status of every child.

        If this process is PID 1, these include the orphaned children of a dead frontend.
        """
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                if self._checker.child_ended(pid, status):
                    continue
                for process in self._processes:
                    if process.process is not None and process.process.pid == pid:
                        process.process.returncode = os.waitstatus_to_exitcode(status)
                        self._ended(process, process.process.returncode)

    def _ended(self, process: ManagedProcess, status: int) -> None:
        self._metrics.ended(process)
        self._rollout.ended(process)
        pause_s = process.ended(status)
        self._balancer.update_listening()
        if self._draining and process in self._frontends:
            self._finish_if_drained()
        elif process.quick_deaths >= MAX_QUICK_DEATHS:
            self._fail(f"{process.name} has died {MAX_QUICK_DEATHS} times right after its start; the log says why", 1)
        else:
            process.restarts += 1
            logger.warning("%s has ended with status %d; another starts in %.1f s", process.name, status, pause_s)
            asyncio.get_running_loop().call_later(pause_s, self._start, process)

    def _stop(self, number: int) -> None:
        """Handle a signal: the first drains, the second skips the delay, the third skips the responses."""
        if not self._draining:
            self._draining = True
            for frontend in self._frontends:
                frontend.status = 0
            begin(self._close_admin(), self._tasks)
            limit_s = self._settings.drain_delay_s + self._settings.drain_limit_s + _GRACE_S
            asyncio.get_running_loop().call_later(limit_s, self._finish, 1)
        for frontend in self._frontends:
            frontend.signal(number)
        self._finish_if_drained()

    def _finish_if_drained(self) -> None:
        if all(frontend.process is None for frontend in self._frontends):
            self._finish(int(any(frontend.status for frontend in self._frontends)))

    def _finish(self, status: int) -> None:
        if not self._finished.done():
            self._finished.set_result(status)

    def _kill_all(self) -> None:
        """Kill the processes that are left.

        Frontends have ended or exceeded their time; engine processes have no more work.
        """
        asyncio.get_running_loop().remove_signal_handler(signal.SIGCHLD)
        for process in self._processes:
            if process.process is not None:
                process.process.kill()
                process.process.wait()

    def _fail(self, message: str, status: int) -> None:
        """Log one line and end, even if several processes report the same error."""
        if not self._finished.done():
            log.write_line(message)
            self._finish(status)


def _refusal(process: ManagedProcess) -> str:
    return f"{process.name} cannot load what the service serves ({process.refused})"
