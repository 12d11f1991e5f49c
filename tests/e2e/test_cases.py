"""Files and requests that users sent, each with the answer of a real server."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.support.bundles import write_bundle
from tests.support.server import ServerProcess, running

CASES = Path(__file__).parents[1] / "cases"
TYPES = json.loads((CASES / "requests/types.json").read_text())
IMAGES = {
    "fake.heic": (415, "a HEIC photo"),
    "photo.jp2": (415, "a JPEG 2000 image"),
    "plain.jpg": (200, ""),
    "plain.png": (200, ""),
    "png_iccp_badcrc.png": (200, ""),
    "png_text_badcrc.png": (200, ""),
    "png_ztxt_2mb.png": (200, ""),
    "png_ztxt_after_idat.png": (200, ""),
    "truncated_2.jpg": (200, ""),
    "truncated_40.jpg": (422, "truncated or damaged"),
}
REFUSED = {"mp_lf_only": (400, "CR LF"), "txt_base64": (415, "base64 text of an image")}
"""Requests with an answer other than 200."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with a small model."""
    models = tmp_path_factory.mktemp("models")
    write_bundle(models)
    with running(models, "--frontends", "1") as server:
        server.ready()
        yield server


def test_every_file_is_tried() -> None:
    """None is added to the folders without an expected answer."""
    assert {path.name for path in (CASES / "images").iterdir()} == IMAGES.keys()
    assert {path.name for path in (CASES / "requests").iterdir()} - {"types.json"} == TYPES.keys()


@pytest.mark.parametrize("name", IMAGES)
def test_each_image_gets_its_answer(server: ServerProcess, name: str) -> None:
    """A file whose picture is whole is classified; any other is named with what to do."""
    status, detail = IMAGES[name]
    answer = httpx.post(f"{server.url}/v1/classify", content=(CASES / "images" / name).read_bytes(), timeout=60)
    assert (answer.status_code, detail in answer.json().get("detail", "")) == (status, True)


@pytest.mark.parametrize(
    ("before", "after"), [("plain.png", "png_ztxt_after_idat.png"), ("plain.jpg", "truncated_2.jpg")]
)
def test_damage_outside_the_picture_changes_no_answer(server: ServerProcess, before: str, after: str) -> None:
    """The probabilities are the same to the last digit."""
    first, second = (
        httpx.post(f"{server.url}/v1/classify", content=(CASES / "images" / name).read_bytes(), timeout=60).json()
        for name in (before, after)
    )
    assert first == second


@pytest.mark.parametrize("name", TYPES)
def test_each_request_gets_its_answer(server: ServerProcess, name: str) -> None:
    """With the content type that was sent, and Content-Encoding: gzip where the name says so."""
    status, detail = REFUSED.get(name, (200, ""))
    headers = {"Content-Type": TYPES[name]} | ({"Content-Encoding": "gzip"} if name.startswith("gz_") else {})
    body = (CASES / "requests" / name).read_bytes()
    answer = httpx.post(f"{server.url}/v1/classify", content=body, headers=headers, timeout=60)
    assert (answer.status_code, detail in answer.json().get("detail", "")) == (status, True)
