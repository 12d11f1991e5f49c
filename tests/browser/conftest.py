"""One server over real and small bundles, one Chromium, and a fresh tab for every test."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from models.contract import MANIFEST, Preprocessing, Task
from tests.browser.visit import Visit
from tests.conftest import ROOT
from tests.support.bundles import change_manifest, write_bundle
from tests.support.programs import program
from tests.support.server import ServerProcess, running

FLAGS = (
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

LONG_NAME = "effnet-lite0-of-the-shop-team-warehouse-photos-2026-11-29-fp32"
"""A model's name that is nearly as long as a name may be."""

Open = Callable[..., Visit]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Serves the shipped models, colours in two versions, `flat` without a class map, and one that stays unready.

    `padded` keeps the whole picture, `familiar` has an energy threshold, `tags` is multi-label, `twins` has two equal
    labels and a weak calibration.
    """
    folder = tmp_path_factory.mktemp("models")
    (folder / "imagenet").symlink_to(ROOT / "models" / "imagenet")
    write_bundle(folder, "colours", 1)
    write_bundle(folder, "colours", 2)
    write_bundle(folder, LONG_NAME)
    write_bundle(folder, "padded", preprocessing=Preprocessing(resize="pad"))
    change_manifest(write_bundle(folder, "flat", 1, prediction_sets=False), class_map=False)
    write_bundle(folder, "familiar", energy_threshold=-8)
    write_bundle(folder, "tags", task=Task.MULTILABEL, thresholds=(0.5, 0.9, 0.3))
    twins = write_bundle(folder, "twins")
    fitted = {"fitted_on": "held-out images", "images": 40, "weak": "fitted on 40 images, fewer than 200"}
    calibration = json.loads((twins / MANIFEST).read_text())["calibration"]
    change_manifest(twins, labels=["crane", "crane", "pigeon"], calibration=calibration | fitted)
    (folder / "fashion-mnist").symlink_to(ROOT / "models" / "fashion-mnist")
    with (write_bundle(folder, "damaged", 1) / "model.onnx").open("ab") as model:
        model.write(b"!")
    with running(folder) as process:
        yield process


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium. Closed with the module: Playwright's event loop must not outlive these tests."""
    path = program("chromium", "chromium-browser", "google-chrome", package="chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Browser, site: ServerProcess) -> Iterator[Open]:
    """Opens the page in a new tab; at the end no tab may have called another host or logged an error."""
    visits: list[Visit] = []

    def open_page(*, tolerate: str = "", **context: Any) -> Visit:
        visits.append(Visit(browser.new_context(**context), site.url, tolerate))
        return visits[-1]

    yield open_page
    for each in visits:
        each.close()
    for each in visits:
        assert each.foreign == []
        assert each.errors == []


@pytest.fixture(scope="session")
def photo() -> Path:
    """A cat, 451 x 300."""
    return ROOT / "service" / "api" / "web" / "static" / "sample.jpg"
