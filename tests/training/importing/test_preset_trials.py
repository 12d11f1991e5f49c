"""One photo with every scaling."""

from pathlib import Path

import numpy as np
import pytest

from models.contract import Pixels
from tests.support.onnx_files import LABELS, NCHW_LOGITS, SIDE, UINT8, write_onnx
from training.importing.guesses import Guess
from training.importing.network_input import find_input
from training.importing.network_output import find_output
from training.importing.normalization import (
    ChannelOrder,
    Normalization,
    Preset,
    choose_normalization,
    preset_normalization,
)
from training.importing.onnx_file import read_onnx
from training.importing.original_graph import OriginalGraph, network_values
from training.importing.preset_trials import Trial, top_classes, try_presets

PICTURES = np.random.default_rng(0).integers(0, 256, (16, SIDE, SIDE, 3), np.uint8)
GREY_PHOTO = np.full((SIDE, SIDE, 3), 90, np.uint8)
RED_PHOTO = GREY_PHOTO * np.array([2, 0, 0], np.uint8)


def trials(path: Path, photo: Pixels, found: Normalization | None = None) -> tuple[Trial, ...]:
    guesses = list[Guess]()
    file, original = read_onnx(path), OriginalGraph(path)
    network_input = find_input(file, guesses.append)
    found = found or choose_normalization(file, network_input, guesses.append)
    values = [original.run(network_values(picture[None], network_input, found)) for picture in PICTURES]
    output = find_output(values, guesses.append, path=path)
    return try_presets(original, network_input, found, output, photo, LABELS)


def test_each_preset_answers_the_photo(tmp_path: Path) -> None:
    """The order of the colours has a trial of its own where it matters, which it does for a red photo."""
    path = write_onnx(tmp_path / "model.onnx", NCHW_LOGITS)
    red = trials(path, RED_PHOTO)
    assert {trial.preset for trial in red} == set(Preset)
    assert len(red) > len(Preset)
    grey = [(trial.preset, trial.order) for trial in trials(path, GREY_PHOTO)]
    assert (Preset.UNIT, ChannelOrder.RGB) in grey
    assert (Preset.UNIT, ChannelOrder.BGR) not in grey


def test_a_trial_has_the_probabilities_of_its_scaling(tmp_path: Path) -> None:
    """Those that an import with this preset prints."""
    path = write_onnx(tmp_path / "model.onnx", NCHW_LOGITS)
    original = OriginalGraph(path)
    network_input = find_input(read_onnx(path), list[Guess]().append)
    unit = preset_normalization(Preset.UNIT, network_input, None)
    scores = original.run(network_values(RED_PHOTO[None], network_input, unit))["output"][0].astype(np.float64)
    expected = np.exp(scores) / np.exp(scores).sum()
    made = next(trial for trial in trials(path, RED_PHOTO) if trial.preset is Preset.UNIT)
    assert dict(made.top) == pytest.approx(dict(zip(LABELS, expected, strict=True)), abs=1e-5)


def test_numbers_of_a_file_are_a_trial_too(tmp_path: Path) -> None:
    """Before the presets, and marked as what an import takes."""
    path = write_onnx(tmp_path / "model.onnx", NCHW_LOGITS)
    own = Normalization(ChannelOrder.RGB, (100.0,), (50.0,))
    made = trials(path, RED_PHOTO, own)
    assert (made[0].preset, [trial.found for trial in made].count(True)) == (None, 1)
    usual = [trial.preset for trial in trials(path, RED_PHOTO) if trial.found]
    assert usual == [Preset.IMAGENET]


def test_a_graph_that_scales_itself_has_one_trial(tmp_path: Path) -> None:
    """A uint8 input takes the pixels as they are; the colours may be exchanged."""
    assert {trial.preset for trial in trials(write_onnx(tmp_path / "m.onnx", UINT8), RED_PHOTO)} == {Preset.RAW}


def test_an_answer_of_nan_has_no_classes(tmp_path: Path) -> None:
    """Where numbers of 0 to 255 overflow the network."""
    text = NCHW_LOGITS.replace("output = Gemm", "l = Gemm").replace(
        "(features, w, b)", "(features, w, b) e = Exp (l) output = Sub (e, e)"
    )
    made = trials(write_onnx(tmp_path / "m.onnx", text, weights={"w": np.full((3, 12), 9, np.float32)}), RED_PHOTO)
    assert next(trial for trial in made if trial.preset is Preset.RAW).top == ()


def test_at_most_five_classes_are_shown() -> None:
    """The most probable one first; equal ones in the order of the labels."""
    row = np.array([0.1, 0.3, 0.3, 0.1, 0.1, 0.1], np.float32)
    assert [label for label, _ in top_classes(row, tuple("abcdef"))] == ["b", "c", "a", "d", "e"]
    assert [label for label, _ in top_classes(row, tuple("abbccc"))][:2] == ["b (class 1)", "b (class 2)"]
