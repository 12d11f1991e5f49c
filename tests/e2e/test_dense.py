"""Large images against a real process."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import pytest
from PIL import Image

from tests.support.bundles import SIDE
from tests.support.dense import noise, write_dense_bundle
from tests.support.pictures import encoded, picture
from tests.support.server import ServerProcess, running

SIDE_OF_LARGE = 900
LARGE = encoded(Image.fromarray(noise(SIDE_OF_LARGE, SIDE_OF_LARGE)))
"""Tenths of a second of work for 64 channels."""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ServerProcess]:
    write_dense_bundle(tmp_path, channels=64)
    with running(tmp_path, "--max-dense-predictions", "200000", "--deadline-s", "60") as server:
        yield server


def classify(server: ServerProcess, body: bytes, query: str = "", deadline_ms: int = 60_000) -> httpx.Response:
    headers = {"X-Deadline-Ms": str(deadline_ms)}
    return httpx.post(f"{server.url}/v1/classify{query}", content=body, headers=headers, timeout=90)


def test_others_are_answered_while_a_large_image_is_worked_on(process: ServerProcess) -> None:
    """One at a time is worked on, the usual ones are not behind it."""
    with ThreadPoolExecutor(1) as pool:
        large = pool.submit(classify, process, LARGE, "?dense=1")
        answered = 0
        while not large.done():
            assert classify(process, picture(size=(SIDE, SIDE))).status_code == 200
            answered += not large.done()
        assert large.result().status_code == 200
    grid = large.result().json()["results"][0]["dense"]
    assert (grid["rows"], grid["columns"]) == ((SIDE_OF_LARGE - SIDE) // 2 + 1,) * 2
    assert answered > 1


def test_a_deadline_frees_the_way_for_the_next(process: ServerProcess) -> None:
    """The run itself ends, not only the wait for it."""
    late = classify(process, LARGE, "?dense=1", deadline_ms=100)
    assert (late.status_code, late.json()["type"]) == (504, "/problems/deadline-exceeded")
    small = encoded(Image.fromarray(noise(SIDE + 2, SIDE)))
    assert classify(process, small, "?dense=1").json()["results"][0]["dense"]["rows"] == 2
    assert "could not" not in process.log


def test_a_large_image_is_answered_before_the_end(process: ServerProcess) -> None:
    """SIGTERM while it runs."""
    with ThreadPoolExecutor(1) as pool:
        large = pool.submit(classify, process, LARGE, "?dense=1")
        time.sleep(0.2)
        process.terminate()
        assert large.result().status_code == 200
        assert process.process.wait(60) == 0
