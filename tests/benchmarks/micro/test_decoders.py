"""Candidates run in the process of their environment, and use the same geometry as the current decoder."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.micro.decoder_candidates import _least_size, _reduction
from benchmarks.micro.decoders import CURRENT, PHOTOS, CandidateProcess, DecodeJob
from models.contract import preprocess, read_bundle
from tests.support.pictures import encoded

MANIFEST = read_bundle(PHOTOS).manifest
TARGET, PREPROCESSING = MANIFEST.input, MANIFEST.preprocessing


@pytest.mark.parametrize("size", [(500, 375), (4000, 3000), (224, 224), (100, 700), (2048, 1024)])
def test_a_jpeg_is_asked_for_at_the_scale_that_the_service_takes(size: tuple[int, int]) -> None:
    """Else a candidate would be faster by decoding less."""
    stored = Image.open(io.BytesIO(encoded(Image.new("RGB", size), "JPEG")))
    preprocess(stored, TARGET, PREPROCESSING)
    scale = _reduction(size, TARGET, PREPROCESSING)
    assert stored.size == (-(-size[0] // scale), -(-size[1] // scale))


def test_a_picture_that_is_too_small_is_wanted_whole() -> None:
    """Decoders do not enlarge."""
    assert _least_size((30, 40), TARGET, PREPROCESSING) == (30, 40)


def test_the_current_decoder_answers_with_the_bundles_pixels(tmp_path: Path) -> None:
    """Through a real process; a candidate that fails says why and the process goes on."""
    image = PHOTOS / "golden" / "espresso.jpg"
    job, saved = DecodeJob(image, PHOTOS, 1), tmp_path / "pixels.npy"
    with CandidateProcess(CURRENT[1]) as child:
        assert "no_such_decoder" in child.ask("no_such_decoder", job)["error"]
        assert "error" not in child.ask(CURRENT[0], job, saved)
        assert child.ask(CURRENT[0], job)["seconds"] > 0
    np.testing.assert_array_equal(np.load(saved), preprocess(Image.open(image), TARGET, PREPROCESSING))
