"""Starts the server: `python -m service`. Reads the settings from options and the environment."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

if sys.platform == "win32":  # before the imports of modules that Windows does not have
    sys.exit("snellen: the service does not run on Windows; use WSL or Docker")

if __name__ == "__main__":  # before the imports, which take a second
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the server handles it; Python would print a traceback
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the same; it asks for a look at the folder, which comes anyway

from pydantic import ValidationError

from service.access.key_file import KeyFileError
from service.access.keyring import Keyring
from service.command_line import UsageError, given_settings
from service.heap import use_one_heap
from service.repository.lifecycle import Lifecycle
from service.repository.scan import RepositoryError
from service.server.admin_socket import OFF, NoAdminSocket, require_short
from service.server.certificates import CertificateError, Certificates
from service.server.sockets import CannotListen
from service.server.workers.control_channel import missing_feature
from service.server.workers.plan import ProcessPlan, plan_processes
from service.server.workers.supervisor import supervise
from service.setting_texts import hint_for_variable, wrong_value
from service.settings import Settings, unknown_variables
from service.telemetry import log
from service.telemetry.metrics import RequestMetrics
from service.telemetry.otel_variables import OtelError, read_otel_variables

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal ends the service, and return the exit status."""
    try:
        settings = Settings.model_validate(given_settings(sys.argv[1:] if arguments is None else arguments))
    except UsageError as error:
        log.write_line(str(error))
        return 2
    except ValidationError as error:
        for sentence in {wrong["loc"][0]: wrong_value(wrong) for wrong in error.errors()}.values():
            log.write_line(sentence)
        return 2
    log.configure(settings.log_level, log_format=settings.log_format)
    for name in unknown_variables(os.environ):
        logger.warning("%s is no setting; %s", name, hint_for_variable(name))
    try:
        read_otel_variables(os.environ if settings.traces else {})
    except OtelError as error:
        log.write_line(str(error))
        return 2
    plan = plan_processes(settings)
    if not plan.one_process and (missing := missing_feature()):
        logger.warning("one process instead of several: %s; several need Linux, see docs/processes.md", missing)
        plan = ProcessPlan(1, 0)
    try:
        if settings.admin_socket not in {None, OFF}:
            require_short(Path(str(settings.admin_socket)))
        certificates = Certificates(settings) if settings.tls_certificate is not None else None
        keyring = _keyring(settings)
        if plan.one_process:
            return _serve(settings, keyring, certificates)
        port_app = partial(_admin_port_app, settings, keyring)
        return supervise(settings, plan, keyring, certificates, _admin_app, port_app)
    except (CannotListen, CertificateError, NoAdminSocket, RepositoryError, KeyFileError) as error:
        log.write_line(str(error))
        return 2


def _keyring(settings: Settings) -> Keyring | None:
    """Return the API keys, None where no key is needed. Raises KeyFileError."""
    return Keyring(settings.keys) if settings.keys is not None else None


def _serve(settings: Settings, keyring: Keyring | None, certificates: Certificates | None) -> int:
    """Serve in this process. certificates: the files for TLS, None to speak HTTP.

    The imports are local: the main process of several needs none of these modules, and its frontends would wait for
    them.
    """
    from service.api.health import readiness  # noqa: PLC0415
    from service.app import ProcessContext, create_app  # noqa: PLC0415
    from service.repository.announcement import log_ready  # noqa: PLC0415
    from service.server.http.server import serve  # noqa: PLC0415
    from service.telemetry.health import Health  # noqa: PLC0415
    from service.telemetry.metrics import Metrics  # noqa: PLC0415

    use_one_heap()
    health, metrics = Health(), Metrics()
    app = create_app(settings, health, ProcessContext(metrics, keyring=keyring))
    lifecycle: Lifecycle = app.state.lifecycle
    status = serve(
        app,
        settings,
        health,
        metrics,
        ready=lambda: readiness(app.state.registry, health).ready,
        on_hangup=lifecycle.rescan,
        on_ready=lambda addresses: log_ready(lifecycle.state, addresses),
        admin_app=lambda: _admin_app(lambda: lifecycle),
        admin_port_app=partial(_admin_port_app, settings, keyring, lambda: lifecycle),
        certificates=certificates,
    )
    if health.failed:
        log.write_line(health.failed)
    return status


def _admin_app(lifecycle: Callable[[], Lifecycle]) -> Any:
    """Return the application of the admin API. The import is local, since most services run without a call of it."""
    from service.api.admin.routes import create_admin_app  # noqa: PLC0415

    return create_admin_app(lifecycle)


def _admin_port_app(
    settings: Settings, keyring: Keyring | None, lifecycle: Callable[[], Lifecycle], metrics: RequestMetrics
) -> Any:
    """Return the application of the admin port, see `_admin_app`. keyring: never None, since the port takes keys."""
    from service.api.admin.guarded import create_guarded_admin_app  # noqa: PLC0415

    assert keyring is not None
    return create_guarded_admin_app(lifecycle, settings, keyring, metrics)


if __name__ == "__main__":
    sys.exit(main())
