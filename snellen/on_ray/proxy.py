"""What Ray's proxies answer where a replica is lost with a request: 503, after which clients send it again.

Ray's own answer is 500, which means that the same request would fail again; but an image may be sent twice.
"""

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import problem_of, respond
from service.errors import NotReady

_LOST = NotReady("the replica that worked on this request was lost; send it again")


class AnswerForLost:
    """Answers requests to which no answer came."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        began = scope["type"] != "http"

        async def send_noting(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        await self._app(scope, receive, send_noting)
        if not began:
            answer = respond(problem_of(_LOST), None, {"Retry-After": "1"})
            await answer(scope, receive, send)


def middleware() -> list[Middleware]:
    """Return the middleware for Ray's proxies, named by RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH."""
    return [Middleware(AnswerForLost)]
