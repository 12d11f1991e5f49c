"""Makes docs/page.png from a running server: `make serve`, then

.venv/bin/python -m tests.browser.screenshot [URL] [PHOTO] [FILE]
"""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect, sync_playwright

from tests.browser.conftest import FLAGS
from tests.browser.visit import Visit
from tests.conftest import ROOT

DEFAULTS = (
    "http://localhost:8000",
    str(ROOT / "service" / "api" / "web" / "static" / "sample.jpg"),
    str(ROOT / "docs" / "page.png"),
)


def main(arguments: list[str]) -> None:
    url, photo, target = (*arguments, *DEFAULTS[len(arguments) :])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        context = browser.new_context(viewport={"width": 1080, "height": 600}, reduced_motion="reduce")
        tab = Visit(context, url)
        tab.page.click(".switch")
        tab.choose(Path(photo))
        expect(tab.page.locator("#heat")).to_be_visible()
        Image.open(io.BytesIO(tab.page.screenshot(full_page=True))).convert("RGB").save(target, optimize=True)
        browser.close()
    print(f"{target}: {Path(target).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
