"""The page's files, as a browser gets them."""

import re

from starlette.testclient import TestClient

from service.api.web.page import FOLDER


def test_the_page_and_all_that_it_names_are_served(client: TestClient) -> None:
    """Every address in the HTML answers with its type, and with a policy that lets nothing else in."""
    page = client.get("/")
    assert page.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; ")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert client.get("/", headers={"If-None-Match": page.headers["etag"]}).status_code == 304
    names = re.findall(r'(?:href|src)="page/([^"]+)"', page.text)
    assert {"page.css", "page.js", "icon.svg"} <= set(names)
    for name in (path.name for path in FOLDER.iterdir()):
        answer = client.get(f"/page/{name}")
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; ")
    assert client.get("/page/page.js").headers["content-type"] == "text/javascript; charset=utf-8"


def test_nothing_is_inline_and_nothing_comes_from_elsewhere(client: TestClient) -> None:
    """The policy would block it, and the page has to work without a network."""
    html = client.get("/").text
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", html)
    for path in FOLDER.iterdir():
        if path.suffix in {".html", ".css", ".js"}:
            assert not re.search(rb"(https?:)?//[a-z0-9]+\.[a-z]", path.read_bytes()), path.name


def test_a_file_that_the_browser_has_is_not_sent_again(client: TestClient) -> None:
    """Asked each time, answered 304 while it is the same."""
    first = client.get("/page/page.css")
    again = client.get("/page/page.css", headers={"If-None-Match": first.headers["etag"]})
    assert first.headers["cache-control"] == "no-cache"
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/page/page.css", headers={"If-None-Match": '"old"'}).status_code == 200


def test_head_has_no_body(client: TestClient) -> None:
    answer = client.head("/")
    assert (answer.status_code, answer.content) == (200, b"")


def test_other_names_are_a_problem(client: TestClient) -> None:
    """Nothing outside the folder can be named."""
    for path in ("/page/none.js", "/page/..%2fapp.py", "/page/%2e%2e/app.py"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
