"""The page of a service with API keys: it asks for a key, keeps it in memory only, and the shell line has none."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.visit import LIMIT_MS
from tests.support.api_keys import write_keys
from tests.support.bundles import write_bundle
from tests.support.pictures import RED, picture
from tests.support.server import ServerProcess, running

pytestmark = pytest.mark.browser

STORED = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href, history.state])"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def keys(files: Path) -> dict[str, str]:
    return write_keys(files / "keys", shop="classify,read", scraper="metrics")


@pytest.fixture(scope="module")
def locked(files: Path, keys: dict[str, str]) -> Iterator[ServerProcess]:
    """Serves `colours` to clients with a key."""
    assert keys
    (files / "red.png").write_bytes(picture(RED))
    write_bundle(files / "models")
    with running(files / "models", "--keys", str(files / "keys")) as process:
        yield process


@pytest.fixture
def page(browser: Browser, locked: ServerProcess) -> Iterator[Page]:
    expect.set_options(timeout=LIMIT_MS)
    context = browser.new_context()
    context.set_default_timeout(LIMIT_MS)
    page = context.new_page()
    page.goto(locked.url)
    yield page
    context.close()


def enter(page: Page, key: str) -> None:
    page.fill("#key", key)
    page.keyboard.press("Enter")


def test_the_page_asks_for_a_key_and_forgets_it(page: Page, files: Path, keys: dict[str, str]) -> None:
    """It says why; a wrong key and one without the scope are refused with the reason; a reload asks again."""
    expect(page.locator("#key")).to_be_focused()
    expect(page.locator("#key-note")).to_contain_text("This service needs an API key.")
    expect(page.locator("#problem")).to_be_hidden()
    enter(page, "wrong")
    expect(page.locator("#problem-title")).to_have_text("A valid API key is needed")
    expect(page.locator("#problem-detail")).to_contain_text("the API key is not valid")
    expect(page.locator("#key")).to_have_value("")
    enter(page, keys["scraper"])
    expect(page.locator("#problem-detail")).to_contain_text("this API key lacks the scope read")
    enter(page, f"  {keys['shop']} ")
    expect(page.locator("#model")).to_be_enabled()
    expect(page.locator("#problem")).to_be_hidden()
    expect(page.locator("#key-form")).to_be_hidden()
    page.set_input_files("#file", str(files / "red.png"))
    expect(page.locator("#predictions .label").first).to_have_text("red")
    assert keys["shop"] not in page.evaluate(STORED) + page.content()
    page.reload()
    expect(page.locator("#key-form")).to_be_visible()


def test_a_photo_that_was_refused_is_asked_again_with_the_key(page: Page, files: Path, keys: dict[str, str]) -> None:
    """Without choosing it a second time."""
    page.set_input_files("#file", str(files / "red.png"))
    expect(page.locator("#problem-facts")).to_contain_text("Status 401")
    enter(page, keys["shop"])
    expect(page.locator("#predictions .label").first).to_have_text("red")


def test_the_shell_line_takes_the_key_from_a_variable(page: Page, files: Path, keys: dict[str, str]) -> None:
    """It runs as it is in a shell that has the variable, and shows no secret."""
    enter(page, keys["shop"])
    page.set_input_files("#file", str(files / "red.png"))
    expect(page.locator("#predictions .label").first).to_have_text("red")
    line = page.inner_text("#curl")
    assert line.startswith('curl -H "Authorization: Bearer $SNELLEN_KEY" --data-binary')
    if not shutil.which("curl"):
        pytest.skip("no curl")
    environment = {"SNELLEN_KEY": keys["shop"], "PATH": "/usr/bin:/bin"}
    command = ["sh", "-c", f"{line} -s"]
    done = subprocess.run(command, cwd=files, capture_output=True, check=True, env=environment)
    assert b'"label":"red"' in done.stdout


def test_the_docs_take_a_key(page: Page, locked: ServerProcess, keys: dict[str, str]) -> None:
    """By the button of Swagger, which sends it with what is tried out."""
    page.goto(f"{locked.url}/docs")
    page.get_by_role("button", name="Authorize").click()
    bearer = page.locator(".auth-container", has_text="bearer")
    bearer.locator("input").fill(keys["shop"])
    bearer.get_by_role("button", name="Apply credentials").click()
    page.get_by_role("button", name="Close").first.click()
    operation = page.locator("#operations-models-list_models")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
    assert keys["shop"] not in page.evaluate(STORED)


def test_the_form_fits_a_phone(browser: Browser, locked: ServerProcess) -> None:
    """Nothing scrolls sideways, and the field has a name for screen readers."""
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto(locked.url)
    expect(page.get_by_label("API key")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()
