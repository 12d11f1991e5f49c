"""The page follows the models while it is open: a real service, whose folder changes."""

import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.visit import File, Visit
from tests.support.bundles import replace_constant, write_bundle
from tests.support.pictures import GREEN, RED, picture
from tests.support.processes import hurry_checks, until
from tests.support.server import ServerProcess, running

LIMIT_MS = 120_000
"""Time for a version to be checked; the check has the lowest priority of the machine."""
HIDE = """hidden => {
  Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}"""
RED_PNG, GREEN_PNG = File("red.png", picture(RED)), File("green.png", picture(GREEN))
NOT_FOUND = "status of 404"
pytestmark = pytest.mark.timeout(600)


@dataclass
class Site:
    """A service and its repository folder."""

    server: ServerProcess
    folder: Path

    def rescan(self) -> None:
        os.kill(self.server.process.pid, signal.SIGHUP)

    def add(self, name: str, version: int, *, damaged: bool = False) -> None:
        """Put a version into the folder. damaged: its graph has another hash than its manifest says."""
        folder = write_bundle(self.folder.with_name("unfinished"), name, version)
        if damaged:
            replace_constant(folder / "model.onnx", "scale", 0.01)
        (self.folder / name).mkdir(exist_ok=True)
        folder.rename(self.folder / name / str(version))
        self.rescan()
        self.wait_for(name, version, "failed" if damaged else "ready")

    def delete(self, name: str, version: int) -> None:
        shutil.rmtree(self.folder / name / str(version))
        self.rescan()

    def default(self, name: str, wanted: str) -> None:
        (self.folder / name / "default").write_text(wanted)
        self.rescan()

    def state_of(self, name: str, version: int) -> str:
        listed = httpx.get(f"{self.server.url}/v1/models").json()["models"]
        found = (each["state"] for each in listed if (each["name"], each["version"]) == (name, str(version)))
        return next(found, "gone")

    def wait_for(self, name: str, version: int, state: str) -> None:
        until(lambda: self._has(name, version, state), self.server, LIMIT_MS / 1000)

    def _has(self, name: str, version: int, state: str) -> bool:
        hurry_checks(self.server)
        return self.state_of(name, version) == state


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "models"
    write_bundle(folder, "colours", 1)
    write_bundle(folder, "other", 1)
    with running(folder, "--default-model", "colours") as server:
        yield Site(server, folder)


@pytest.fixture
def tab(browser: Browser, site: Site) -> Iterator[Visit]:
    """The page in a tab of its own, which may say on the console that a version is gone."""
    visit = Visit(browser.new_context(), site.server.url, NOT_FOUND)
    expect.set_options(timeout=LIMIT_MS)
    yield visit
    visit.close()
    assert visit.errors == []


def option(tab: Visit, name: str) -> str:
    """The text of one entry of the menu, once it is there."""
    return tab.page.locator(f'#model option[value="{name}"]').inner_text()


def test_the_menu_follows_the_models(tab: Visit, site: Site) -> None:
    """A new version appears and is the default; answers keep the name of their version; a gone one is replaced."""
    tab.drop(RED_PNG)
    expect(tab.page.locator("#source")).to_contain_text("colours version 1")
    assert option(tab, "colours/1") == "colours/1 — default"
    tab.page.evaluate("""() => {
      window.spoken = [];
      const status = document.getElementById('status');
      new MutationObserver(() => window.spoken.push(status.textContent)).observe(status, { childList: true });
    }""")
    site.add("colours", 2)
    expect(tab.page.locator("#model-name")).to_have_text("colours/2")
    assert [option(tab, name) for name in ("colours/1", "colours/2")] == ["colours/1", "colours/2 — default"]
    assert tab.text("#moved") == "colours/2 is the default now. Questions go to it."
    assert tab.text("#source").startswith("colours version 1")  # nothing is asked again by itself
    site.delete("colours", 1)
    expect(tab.page.locator('#model option[value="colours/1"]')).to_have_count(0)
    assert tab.text("#moved") == "colours/1 is no longer served. Questions go to colours/2 now."
    assert tab.text("#source").startswith("colours version 1")
    assert "colours/versions/2/classify" in tab.text("#curl")
    tab.drop(GREEN_PNG)
    expect(tab.page.locator("#source")).to_contain_text("colours version 2")
    tab.page.wait_for_timeout(6_000)  # longer than between two looks at the list
    spoken = tab.page.evaluate("window.spoken")
    assert spoken.count("colours/2 is the default now. Questions go to it.") == 1
    tab.page.locator("#strip .thumb").first.click()
    assert tab.text("#source").startswith("colours version 1")
    assert tab.text("#model-name") == "colours/2"
    tab.page.select_option("#top-k", "1")  # a question of its own
    expect(tab.page.locator("#source")).to_contain_text("colours version 2")
    assert tab.labels == ["red"]


def test_a_version_that_a_person_chose_stays_until_it_is_gone(tab: Visit, site: Site) -> None:
    """Another default does not replace it. A refused version is in the menu, with the reason."""
    tab.pick_model("other")
    site.add("other", 2)
    expect(tab.page.locator("#status")).to_have_text("other/2 can be chosen now.")
    assert tab.text("#model-name") == "other/1"
    assert tab.hidden("#moved")
    assert option(tab, "other/2") == "other/2 — default of other"
    site.default("other", "1")
    expect(tab.page.locator('#model option[value="other/1"]')).to_have_text("other/1 — default of other")
    site.add("colours", 2, damaged=True)
    expect(tab.page.locator('#model option[value="colours/2"]')).to_contain_text("colours/2 — failed: ")
    assert tab.page.locator('#model option[value="colours/2"]').is_disabled()
    site.default("other", "2")
    site.delete("other", 1)
    expect(tab.page.locator("#model-name")).to_have_text("other/2")
    assert tab.text("#moved") == "other/1 is no longer served. Questions go to other/2 now."


def test_a_question_to_a_version_that_has_just_gone_is_put_to_the_next_one(tab: Visit, site: Site) -> None:
    """A hidden tab does not look at the list; once it is seen again it does, and so it does after an answer of 404."""
    site.add("colours", 2)
    expect(tab.page.locator("#model-name")).to_have_text("colours/2")
    tab.pick_model("colours", "1")
    tab.page.evaluate(HIDE, True)
    tab.page.wait_for_timeout(1_000)  # a look that is under way ends
    looks: list[str] = []
    tab.page.on("request", lambda request: looks.append(request.url))
    site.delete("colours", 1)
    site.wait_for("colours", 1, "gone")
    tab.page.wait_for_timeout(6_000)
    assert looks == []
    tab.drop(RED_PNG)
    expect(tab.page.locator("#source")).to_contain_text("colours version 2")
    assert tab.text("#moved") == "colours/1 is no longer served. Questions go to colours/2 now."
    assert tab.hidden("#problem")
    looks.clear()
    tab.page.wait_for_timeout(1_000)
    tab.page.evaluate(HIDE, False)
    tab.page.wait_for_timeout(1_000)
    assert [url.rpartition("/v1/")[2] for url in looks] == ["models"]
