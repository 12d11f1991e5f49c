"""The images that are classified, and the peers' way to their pixels."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.harness.servers import PEERS, service
from benchmarks.micro.ceilings import model_input, timed
from benchmarks.peers.common import answer, pixels
from benchmarks.report.provenance import memory_limit_mib
from benchmarks.sample_images import PHOTO, form, jpeg, small_png
from benchmarks.workloads import ROOT, WORKLOADS
from models.contract import preprocess


def test_the_photo_is_saved_at_the_quality_that_gives_its_size() -> None:
    """Within a few percent, and the same bytes each time."""
    body = jpeg((500, 375), 61_000)
    assert body == jpeg((500, 375), 61_000)
    assert abs(len(body) - 61_000) < 5_000
    assert Image.open(io.BytesIO(body)).size == (500, 375)


def test_the_small_image_is_grey_and_small() -> None:
    """About 580 bytes."""
    image = Image.open(io.BytesIO(small_png()))
    assert (image.size, image.mode) == ((28, 28), "L")
    assert 500 < len(small_png()) < 650


def test_a_form_holds_the_file(tmp_path: Path) -> None:
    """Between its boundaries, as an image."""
    path = tmp_path / "a.jpg"
    path.write_bytes(b"\xff\xd8 bytes")
    head, _, rest = form(path).partition(b"\r\n\r\n")
    assert b'name="image"' in head
    assert b"image/jpeg" in head
    assert rest.startswith(b"\xff\xd8 bytes\r\n--benchmark-boundary--")


def test_peers_see_the_pixels_of_the_service() -> None:
    """But for its scaled JPEG decoding: here the image is too small for that."""
    manifest = WORKLOADS["A"].bundle.manifest
    body = PHOTO.read_bytes()
    with Image.open(io.BytesIO(body)) as image:
        own = preprocess(image, manifest.input, manifest.preprocessing)
    theirs = pixels(body, model_input(WORKLOADS["A"]))
    assert theirs.shape == own.shape
    assert np.abs(theirs.astype(int) - own.astype(int)).max() <= 1


def test_an_answer_names_the_five_most_probable_classes() -> None:
    """Most probable first."""
    found = answer(np.array([0.1, 0.4, 0.0, 0.2, 0.25, 0.05], np.float32))["predictions"]
    assert [entry["class_id"] for entry in found] == [1, 4, 3, 0, 5]


def test_a_call_is_timed_at_least_five_times() -> None:
    """However little time there is."""
    calls: list[int] = []
    assert timed(lambda: calls.append(1), 0.0)["n"] >= 5


def test_the_service_runs_with_its_own_command_line() -> None:
    """Every setting at its default but model and precision."""
    command = service(WORKLOADS["A-int8"], 1234).command
    assert command[1:5] == ["-m", "service", "--port", "1234"]
    assert command[-2:] == ["--precision", "int8"]


def test_the_memory_limit_follows_from_the_settings() -> None:
    """256 MiB of bodies, and 256 images in the queue."""
    assert memory_limit_mib(224 * 224 * 3) == pytest.approx(256 + 256 * 224 * 224 * 3 / 2**20)


def test_each_peer_with_an_environment_pins_it() -> None:
    """By version and hash."""
    for peer in set(PEERS) - {"naive"}:
        text = (ROOT / "requirements" / f"bench-{peer}.txt").read_text()
        assert re.search(rf"^{peer}==[0-9.]+ ", text, re.MULTILINE)
        assert "--hash=sha256:" in text
        assert (ROOT / "benchmarks" / "peers" / f"{peer}_server.py").exists()
