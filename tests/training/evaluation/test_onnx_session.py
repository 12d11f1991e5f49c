"""Sessions of ONNX Runtime on the CPU."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.onnx_files import NEVER_FREE, write_onnx
from tests.training.conftest import Exported
from training.evaluation.onnx_session import fixed_batch, open_session, predict, single_predictor
from training.importing.fixed_images import fixed_images


def test_a_session_runs_on_the_cpu_alone(exported: Exported) -> None:
    """The results that a bundle is judged by do not depend on a GPU of the machine."""
    assert open_session(exported.path).get_providers() == ["CPUExecutionProvider"]


def test_one_image_gets_the_row_that_it_gets_in_a_batch(exported: Exported) -> None:
    """`single_predictor` adds and removes the batch dimension, and nothing else."""
    session, images = open_session(exported.path), fixed_images(exported.target)
    together, alone = predict(session, images), single_predictor(session)
    assert together.dtype == np.float32
    for image, row in zip(images, together, strict=True):
        np.testing.assert_allclose(alone(image), row, atol=1e-6)


def test_the_batch_is_read_from_the_graph(exported: Exported, tmp_path: Path) -> None:
    """Where it is not free."""
    assert fixed_batch(open_session(exported.path)) is None
    assert fixed_batch(open_session(write_onnx(tmp_path / "model.onnx", NEVER_FREE))) == 1


def test_a_quiet_session_writes_no_errors(exported: Exported, capfd: pytest.CaptureFixture[str]) -> None:
    """They are in the exception alone."""
    session = open_session(exported.path, quiet=True)
    with pytest.raises(Exception, match="invalid dimensions"):
        predict(session, np.zeros((1, 3, 3, 7), np.uint8))
    assert capfd.readouterr().err == ""
