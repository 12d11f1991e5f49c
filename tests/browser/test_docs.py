"""The page `/docs` in a real browser: it works under its policy, also below a prefix, and its example is answered."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.visit import LIMIT_MS
from tests.conftest import ROOT
from tests.support.bundles import write_bundle
from tests.support.pictures import picture
from tests.support.server import ServerProcess, running

pytestmark = pytest.mark.browser
HOST = "127.0.0.2"
"""Another address than 127.0.0.1, for which Swagger leaves out what it asks of other hosts."""


@pytest.fixture(scope="module", params=["", "/vision"], ids=["at the root", "below a prefix"])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server, with the prefix."""
    models = tmp_path_factory.mktemp("models")
    write_bundle(models)
    with running(models, "--host", HOST, "--root-path", request.param) as server:
        yield f"{server.url}{request.param}"


def test_docs_work_without_a_violation_of_their_policy(browser: Browser, address: str, tmp_path: Path) -> None:
    """All operations are shown, one is tried out with a photo, and nothing is asked of another host."""
    photo = tmp_path / "photo.png"
    photo.write_bytes(picture())
    page = browser.new_page()
    logged: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: logged.append(message.text))
    page.on("pageerror", lambda error: logged.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    answer = page.goto(f"{address}/docs")
    assert answer is not None
    assert "script-src 'self' 'sha256-" in answer.headers["content-security-policy"]
    operation = page.locator("#operations-models-list_models, [id^=operations-models-]").first
    expect(operation).to_be_visible()
    expect(page.locator(".opblock")).to_have_count(9)
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".request-url")).to_contain_text(f"{address}/v1/models")
    expect(operation.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
    page.close()
    assert logged == []
    origin = address.removesuffix("/vision")
    assert [url for url in asked if not url.startswith((f"{origin}/", "data:", "blob:"))] == []


def test_the_example_of_the_docs_is_answered(browser: Browser, site: ServerProcess) -> None:
    """ "Try it out" and "Execute" without a change: JSON with a small photo of a cat. Then a form with a file."""
    context = browser.new_context()
    context.set_default_timeout(LIMIT_MS)
    page = context.new_page()
    page.goto(f"{site.url}/docs")
    operation = page.locator("#operations-classify-classify")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table .response")
    expect(answer.locator(".response-col_status")).to_contain_text("200")
    expect(answer.locator(".response-col_description")).to_contain_text("Egyptian cat")
    operation.locator(".opblock-section-request-body select").select_option("multipart/form-data")
    operation.locator("input[type=file]").set_input_files(ROOT / "models/imagenet/1/golden/espresso.jpg")
    operation.get_by_role("button", name="Execute").click()
    expect(answer.locator(".response-col_description")).to_contain_text("espresso")
    context.close()
