"""The path prefix under which a proxy publishes the service."""

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class RootPathMiddleware:
    """Puts the prefix into `root_path` of each request, so that links and addresses in answers begin with it.

    A proxy may pass the prefix on or take it away, and probes ask without it: paths with and without it are the same.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        """root_path: begins with a slash and does not end with one."""
        self._app, self._root_path = app, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            prefix, path = self._root_path, scope["path"]
            if path == prefix and scope["method"] in ("GET", "HEAD"):  # links of the page are relative to the slash
                await RedirectResponse(f"{prefix}/")(scope, receive, send)
                return
            scope["root_path"] = prefix + scope.get("root_path", "")
            if not path.startswith(f"{prefix}/"):
                scope["path"] = prefix + path
        await self._app(scope, receive, send)
