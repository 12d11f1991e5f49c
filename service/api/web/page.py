"""The web page at `/`: a handful of static files under a strict content security policy."""

import mimetypes
import os
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

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

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file with the headers of the page. Raises HTTPException 404 and 405."""
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response


def install(app: FastAPI) -> None:
    """Answer `/` and `/page/...`."""
    files = PageFiles(directory=FOLDER)
    app.mount("/page", files, name="page")

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def index() -> Response:
        path = os.fspath(FOLDER / "index.html")
        return files.file_response(path, os.stat(path), {"method": "GET", "headers": []})
