"""The page of docs/clients.md, served from an origin of its own, in Chromium."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.visit import LIMIT_MS
from tests.conftest import ROOT
from tests.support.clients_page import examples, write_photos
from tests.support.server import running


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Write no line for each request."""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[str]:
    """The origin of a page that is not the service's."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=tmp_path))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_page_of_another_origin_classifies(browser: Browser, shop: str, tmp_path: Path) -> None:
    """It shows the class, and the detail of a problem; without --allow-origins it would get neither."""
    write_photos(tmp_path)
    with running(ROOT / "models", "--allow-origins", shop) as service:
        (example,) = examples("html", service.url)
        (tmp_path / "index.html").write_text(example.code)
        page = browser.new_context().new_page()
        page.set_default_timeout(LIMIT_MS)
        page.goto(shop)
        page.set_input_files("#photo", tmp_path / "photo.jpg")
        expect(page.locator("#answer")).to_have_text("espresso (96 %)", timeout=LIMIT_MS)
        page.set_input_files("#photo", tmp_path / "photos/notes.jpg")
        expect(page.locator("#answer")).to_contain_text("are not an image", timeout=LIMIT_MS)
        page.context.close()
