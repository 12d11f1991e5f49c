"""The code that all peers share."""

import io

import numpy as np
import pytest
from PIL import Image

from benchmarks.harness.prepare_inputs import write_networks
from benchmarks.micro.ceilings import model_input
from benchmarks.peers.common import answer, onnxruntime_run, openvino_run, pixels
from benchmarks.sample_images import PHOTO
from benchmarks.workloads import WORKLOADS
from models.contract import Precision, preprocess
from tests.support.libraries import needs_openvino


def test_peers_see_the_pixels_of_the_service() -> None:
    """But for its scaled JPEG decoding: here the image is too small for that."""
    manifest = WORKLOADS["A"].bundle.manifest
    body = PHOTO.read_bytes()
    with Image.open(io.BytesIO(body)) as image:
        own = preprocess(image, manifest.input, manifest.preprocessing)
    theirs = pixels(body, model_input(WORKLOADS["A"]))
    assert theirs.shape == own.shape
    assert np.abs(theirs.astype(int) - own.astype(int)).max() <= 1


@needs_openvino
@pytest.mark.parametrize(("hint", "tolerance"), [("f32", 1e-4), ("bf16", 0.1)])
def test_both_libraries_give_the_same_probabilities(hint: str, tolerance: float) -> None:
    """In float32 nearly the same ones. bf16 runs on any processor, natively or emulated."""
    workload = WORKLOADS["A"]
    write_networks(workload)
    model = workload.network(Precision.FP32)
    image = pixels(PHOTO.read_bytes(), model_input(workload))[None]
    expected = onnxruntime_run(model, 1)(image)
    found = openvino_run(model, 1, hint, (1, *workload.bundle.manifest.input.shape))(image)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < tolerance
    assert found.argmax() == expected.argmax()


def test_an_answer_names_the_five_most_probable_classes() -> None:
    """Most probable first."""
    found = answer(np.array([0.1, 0.4, 0.0, 0.2, 0.25, 0.05], np.float32))["predictions"]
    assert [entry["class_id"] for entry in found] == [1, 4, 3, 0, 5]
