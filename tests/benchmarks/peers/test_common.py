"""The code that all peers share."""

import io

import numpy as np
from PIL import Image

from benchmarks.micro.ceilings import model_input
from benchmarks.peers.common import answer, pixels
from benchmarks.sample_images import PHOTO
from benchmarks.workloads import WORKLOADS
from models.contract import preprocess


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
