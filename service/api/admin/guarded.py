"""The admin API as other machines may reach it: behind the same checks as the public API."""

from collections.abc import Callable

from starlette.types import ASGIApp

from service.access.api_keys import Scope
from service.access.exposure import is_loopback
from service.access.keyring import Keyring
from service.api.admin.routes import create_admin_app
from service.api.allowed_hosts import AllowedHostsMiddleware
from service.api.auth import ApiKeyMiddleware
from service.api.permissions import Need
from service.api.request_context import RequestContextMiddleware
from service.api.trusted_proxies import TrustedProxiesMiddleware
from service.repository.lifecycle import Lifecycle
from service.settings import Settings
from service.telemetry.health import Health
from service.telemetry.metrics import RequestMetrics

_ADMIN = Need(Scope.ADMIN)


def create_guarded_admin_app(
    lifecycle: Callable[[], Lifecycle], settings: Settings, keyring: Keyring, metrics: RequestMetrics
) -> ASGIApp:
    """Return the application of the admin port: every path needs a key with the scope `admin`, also unknown ones.

    There are no CORS headers, so that no page of a browser can send a key here. On a loopback address only `localhost`,
    IP addresses and the allowed hosts are answered, also where the public API answers all names: a page on this machine
    could reach the port by DNS rebinding.
    """
    app: ASGIApp = create_admin_app(lifecycle, settings.body_timeout_s)
    app = ApiKeyMiddleware(app, keyring, metrics, default_model=lambda: None, need=lambda _path: _ADMIN)
    if settings.allowed_hosts or is_loopback(settings.admin_host):
        app = AllowedHostsMiddleware(app, settings.allowed_hosts)
    app = RequestContextMiddleware(app, metrics, settings.access_log, Health())
    if settings.trusted_proxies:
        app = TrustedProxiesMiddleware(app, settings.trusted_proxies)
    return app
