"""The last response of a connection, for errors outside any request. Written directly, not by uvicorn."""

import json
from http import HTTPStatus
from typing import Any

_STATUS_LINES = {
    400: b"HTTP/1.1 400 Bad Request",
    408: b"HTTP/1.1 408 Request Timeout",
    431: b"HTTP/1.1 431 Request Header Fields Too Large",
    503: b"HTTP/1.1 503 Service Unavailable",
}


def final_response(status: int, detail: str) -> bytes:
    """Return the head and the problem document of a response after which the connection is closed."""
    problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    body = json.dumps(problem, separators=(",", ":"), ensure_ascii=False).encode()
    headers: dict[str, Any] = {
        "content-type": "application/problem+json",
        "content-length": len(body),
        "connection": "close",
    }
    if status == 503:
        headers["retry-after"] = 1
    lines = [_STATUS_LINES[status], *(f"{name}: {value}".encode() for name, value in headers.items())]
    return b"\r\n".join([*lines, b"", body])
