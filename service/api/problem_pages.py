"""The pages at `/problems/NAME`, the addresses in the `type` of problem documents: each explains one problem."""

from html import escape

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse

from service.api.problems import PROBLEM_TYPES, ProblemType
from service.api.v1.openapi import EXAMPLE_DETAILS

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{title} - Snellen</title>
<h1>{title}</h1>
<p>{meaning}</p>
<h2>What to do</h2>
<p>{cure}</p>
<h2>Example</h2>
<p>HTTP status {status}, <code>"type": "{root_path}/problems/{slug}"</code>,
and for example this <code>detail</code>:</p>
<blockquote>{example}</blockquote>
<p>The <code>detail</code> of an answer says what was wrong with that request. An operator finds the request
in the log by its <code>request_id</code>.</p>
<p><a href="../docs">The API of this service</a></p>
</html>
"""


def router() -> APIRouter:
    """Return the route of the pages. A name that is not in the table of problems is answered with 404."""
    faces = {face.slug: face for face in PROBLEM_TYPES.values()}
    routes = APIRouter()

    @routes.api_route("/problems/{slug}", methods=["GET", "HEAD"], include_in_schema=False)
    async def problem_page(request: Request, slug: str) -> HTMLResponse:
        if slug not in faces:
            raise HTTPException(404)
        return HTMLResponse(_page(faces[slug], request.scope.get("root_path", "")), headers=HEADERS)

    return routes


def _page(face: ProblemType, root_path: str) -> str:
    values = face._asdict() | {"example": EXAMPLE_DETAILS[face.slug], "root_path": root_path}
    return _PAGE.format_map({name: escape(str(value), quote=False) for name, value in values.items()})
