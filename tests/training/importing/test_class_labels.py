"""Where the names of the classes come from, and how many there have to be."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.onnx_files import LABELS, NCHW_LOGITS, ULTRALYTICS, write_labels, write_onnx
from training.errors import OnnxImportError
from training.importing.class_labels import ClassLabels, check_count, find_labels
from training.importing.config_files import DescribedClasses
from training.importing.guesses import Guess
from training.importing.network_output import NetworkOutput, ScoreKind
from training.importing.onnx_file import read_onnx

BESIDE = DescribedClasses(Path("config.json"), ("a", "b", "c", "d"), None)


def test_the_first_source_that_names_them_counts(tmp_path: Path) -> None:
    """The user's file, then the metadata, then the file beside the network."""
    named = read_onnx(write_onnx(tmp_path / "named.onnx", ULTRALYTICS))
    unnamed = read_onnx(write_onnx(tmp_path / "unnamed.onnx", NCHW_LOGITS))
    guesses = list[Guess]()
    path = write_labels(tmp_path)
    assert find_labels(unnamed, path, BESIDE, guesses.append) == (LABELS, str(path))
    assert find_labels(named, None, BESIDE, guesses.append).names == LABELS
    assert find_labels(unnamed, None, BESIDE, guesses.append) == (BESIDE.labels, "config.json")
    assert guesses[-1] == ("labels", "4, a, b, c, ...", "config.json")
    assert find_labels(unnamed, None, None, guesses.append).names == ()
    assert len(guesses) == 3


def test_each_class_has_one_label() -> None:
    """Two for a single score, in the order of its values."""
    three = NetworkOutput("scores", ScoreKind.LOGITS, 2, np.zeros((16, 3), np.float32))
    single = NetworkOutput("score", ScoreKind.PROBABILITIES, 2, np.zeros((16, 1), np.float32))
    check_count(ClassLabels(LABELS, "labels.txt"), three)
    check_count(ClassLabels(("cat", "dog"), "labels.txt"), single)
    with pytest.raises(OnnxImportError, match="labels.txt has 3 labels, but output 'score' has 2 classes"):
        check_count(ClassLabels(LABELS, "labels.txt"), single)
    with pytest.raises(OnnxImportError, match="does not name its 2 classes: .* the first for a score of 0"):
        check_count(ClassLabels((), ""), single)
