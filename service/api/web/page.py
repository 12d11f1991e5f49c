"""The web page at `/`: a handful of static files under a strict content security policy."""

import mimetypes
import os
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

FOLDER = Path(__file__).parent / "static"
HEADERS = {
    # File names hold no hash, so a browser revalidates each time and mostly receives 304.
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
mimetypes.add_type("text/javascript", ".js")  # the system's table may have an older name


class PageFiles(StaticFiles):
    """Static files with the headers of the page."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Return a file, or 304 where the browser has it, with the headers of the page."""
        response = super().file_response(*args, **kwargs)
        response.headers.update(HEADERS)
        return response


def install(app: FastAPI) -> None:
    """Answer `/` and `/page/...`."""
    files = PageFiles(directory=FOLDER)
    app.mount("/page", files, name="page")

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def index(request: Request) -> Response:
        path = os.fspath(FOLDER / "index.html")
        return files.file_response(path, os.stat(path), request.scope)
