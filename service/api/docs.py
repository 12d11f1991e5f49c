"""The page `/docs`: Swagger UI from files of this service, under a content security policy."""

import base64
import hashlib
import re

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse

FILES = "/static-offline-docs"
"""Path of Swagger's files, which the package fastapi-offline holds."""
_POLICY = (
    "default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger sets styles of elements as text, shows icons from data URLs and images of answers from blobs.

digest: of the script inside the page, which starts Swagger.
"""
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def install(app: FastAPI) -> None:
    """Answer `/docs`."""

    @app.api_route("/docs", methods=["GET", "HEAD"], include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        root = request.scope.get("root_path", "")
        page = get_swagger_ui_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=f"{app.title} API",
            swagger_js_url=f"{root}{FILES}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{FILES}/swagger-ui.css",
            swagger_favicon_url=f"{root}/page/icon.svg",
            swagger_ui_parameters=app.swagger_ui_parameters,
        )
        page.headers.update(_headers(bytes(page.body).decode()))
        return page


def _headers(page: str) -> dict[str, str]:
    (script,) = _SCRIPT.findall(page)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return {"Content-Security-Policy": _POLICY.format(digest=digest), "Referrer-Policy": "no-referrer"}
