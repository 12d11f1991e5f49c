"""Which pages of other origins may call the service from a browser (CORS)."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

_REQUEST_HEADERS = (
    *("Authorization", "X-API-Key", "Content-Type", "X-Request-ID", "X-Deadline-Ms", "X-Priority"),
    *("traceparent", "tracestate"),
)
_RESPONSE_HEADERS = ("X-Request-ID", "Retry-After", "Server-Timing", "traceresponse")
"""Headers that a page may read besides those that any page may."""


def allow_origins(app: FastAPI, origins: tuple[str, ...]) -> None:
    """Let pages of these origins call `app`, without cookies. Add it last, so that it is the outermost middleware.

    A preflight is answered here; responses with problems carry the headers too.
    """
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=("GET", "HEAD", "POST"),
        allow_headers=_REQUEST_HEADERS,
        expose_headers=_RESPONSE_HEADERS,
        allow_credentials=False,
    )
