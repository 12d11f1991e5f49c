"""Compiled models: one for each size, stored for the next process, cancelled from another thread."""

from pathlib import Path

import numpy as np
import pytest

from models.contract import PROBABILITIES, Bundle, read_bundle
from service.engine.openvino_models import ANY_SIZE, Cancellation, Cancelled, CompiledModels
from service.engine.providers import EngineOptions
from tests.support.bundles import SIDE, write_bundle
from tests.support.libraries import needs_openvino

pytestmark = needs_openvino


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(write_bundle(tmp_path / "models"))


def models_of(bundle: Bundle, cache: Path | None = None) -> CompiledModels:
    options = EngineOptions(("openvino",), compiled=cache)
    return CompiledModels(bundle.path / "model.onnx", bundle.manifest, options, [PROBABILITIES])


def test_a_stored_model_is_used_without_the_graph(bundle: Bundle, tmp_path: Path) -> None:
    """It has the same answers; another process needs neither to read nor to compile the ONNX file."""
    images = np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3)).astype(np.uint8)
    (expected,) = models_of(bundle, tmp_path / "key").get(1).run([PROBABILITIES], images, Cancellation())
    (bundle.path / "model.onnx").unlink()
    (answer,) = models_of(bundle, tmp_path / "key").get(1).run([PROBABILITIES], images, Cancellation())
    np.testing.assert_array_equal(answer, expected)


def test_what_openvino_cannot_import_is_compiled_again(bundle: Bundle, tmp_path: Path) -> None:
    """As a file of a build that wrote another format under the same version."""
    models = models_of(bundle, tmp_path / "key")
    models._files.write("fp32-1", b"no model of OpenVINO")
    assert models.get(1).size == 1
    assert models._files.read("fp32-1") != b"no model of OpenVINO"


def test_the_class_map_is_computed_by_one_model_only(bundle: Bundle) -> None:
    """The model of a batch size has the outputs that were asked for, and no others."""
    models = models_of(bundle)
    names = {size: [each.get_any_name() for each in models.get(size).compiled.outputs] for size in (1, ANY_SIZE)}
    assert names[1] == ["probabilities"]
    assert set(names[ANY_SIZE]) == {"probabilities", "logits", "class_map"}


def test_a_run_that_was_cancelled_before_its_start_does_not_start(bundle: Bundle) -> None:
    """OpenVINO itself forgets a cancellation that comes before the start."""
    cancellation = Cancellation()
    cancellation.cancel()
    model, images = models_of(bundle).get(1), np.zeros((1, SIDE, SIDE, 3), np.uint8)
    with pytest.raises(Cancelled):
        model.run([PROBABILITIES], images, cancellation)
    assert model.run([PROBABILITIES], images, Cancellation())[0].shape == (1, 3)
