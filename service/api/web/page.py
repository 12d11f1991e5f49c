"""The web page at `/`: static files, read once at import, sent with a strict content security policy."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

router = APIRouter(include_in_schema=False)

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
}

HEADERS = {
    # File names hold no hash, so a browser revalidates each time and mostly receives 304.
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class File(NamedTuple):
    """The body and the headers of one file."""

    body: bytes
    media_type: str
    etag: str


def _read(path: Path) -> File:
    body = path.read_bytes()
    return File(body, MEDIA_TYPES[path.suffix], f'"{hashlib.sha256(body).hexdigest()[:16]}"')


FILES = {path.name: _read(path) for path in (Path(__file__).parent / "static").iterdir() if path.suffix in MEDIA_TYPES}


@router.api_route("/", methods=["GET", "HEAD"])
async def index(request: Request) -> Response:
    return await file(request, "index.html")


@router.api_route("/page/{name}", methods=["GET", "HEAD"])
async def file(request: Request, name: str) -> Response:
    if name not in FILES:
        raise HTTPException(404)
    found = FILES[name]
    headers = HEADERS | {"ETag": found.etag}
    if found.etag in request.headers.get("If-None-Match", ""):
        return Response(status_code=304, headers=headers)
    return Response(found.body, headers=headers, media_type=found.media_type)
