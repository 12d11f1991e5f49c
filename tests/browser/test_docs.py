"""The page at /docs: what it fills in is a request that is answered."""

from playwright.sync_api import Browser, expect

from tests.browser.visit import LIMIT_MS
from tests.conftest import ROOT
from tests.support.server import ServerProcess


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
