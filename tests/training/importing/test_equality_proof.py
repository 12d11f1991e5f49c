"""The proof that a graph computes what a network computes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.contract import INPUT, LOGITS, PROBABILITIES
from tests.support.onnx_files import SIDE, write_onnx
from training.errors import ParityError
from training.evaluation.onnx_session import open_session
from training.importing.equality_proof import Equality
from training.importing.network_output import NetworkOutput, ScoreKind

BUNDLE = f"""<ir_version: 8, opset_import: ["": 17]>
g (uint8[N, {SIDE}, {SIDE}, 3] {INPUT}) => (float[N, 3] {PROBABILITIES}, float[N, 3] {LOGITS})
{{ f = Cast <to = 1> ({INPUT}) s = Mul (f, scale) {LOGITS} = ReduceMean <axes = [1, 2], keepdims = 0> (s)
   {PROBABILITIES} = Softmax <axis = 1> ({LOGITS}) }}"""
ONE_AT_A_TIME = BUNDLE.replace(f"{LOGITS} = ReduceMean", "m = ReduceMean").replace(
    f"(s)\n   {PROBABILITIES}", f"(s)\n   {LOGITS} = Reshape (m, shape) {PROBABILITIES}"
)
BINARY = f"""<ir_version: 8, opset_import: ["": 17]>
g (uint8[N, {SIDE}, {SIDE}, 3] {INPUT}) => (float[N, 2] {PROBABILITIES}, float[N, 2] {LOGITS})
{{ f = Cast <to = 1> ({INPUT}) s = Mul (f, scale) z = ReduceMean <axes = [1, 2, 3], keepdims = 0> (s)
   column = Reshape (z, shape) {LOGITS} = Mul (column, second) {PROBABILITIES} = Softmax <axis = 1> ({LOGITS}) }}"""
PICTURES = np.random.default_rng(0).integers(0, 256, (4, SIDE, SIDE, 3), np.uint8)


def expected(path: Path) -> NetworkOutput:
    (scores,) = open_session(path).run([LOGITS], {INPUT: PICTURES})
    return NetworkOutput("scores", ScoreKind.LOGITS, 2, scores)


def test_an_equal_graph_passes_with_its_difference(tmp_path: Path) -> None:
    """One picture at a time and three."""
    path = write_onnx(tmp_path / "model.onnx", BUNDLE)
    assert Equality(open_session(path, quiet=True), expected(path)).prove(PICTURES, float16=False) < 1e-6


def test_another_graph_is_refused(tmp_path: Path) -> None:
    """Above 1e-4, for float16 above 2e-3; logits that softmax hides count for float32."""
    path = write_onnx(tmp_path / "model.onnx", BUNDLE)
    right = expected(path)
    turned = replace(right, scores=right.scores[:, ::-1])
    with pytest.raises(ParityError, match="differs by"):
        Equality(open_session(path, quiet=True), turned).prove(PICTURES, float16=False)
    shifted = Equality(open_session(path, quiet=True), replace(right, scores=right.scores + np.float32(0.5)))
    with pytest.raises(ParityError, match="differs by"):
        shifted.prove(PICTURES, float16=False)
    assert shifted.prove(PICTURES, float16=True) < 1e-6


def test_one_score_is_compared_as_two_classes(tmp_path: Path) -> None:
    """A logit z with the logits 0 and z."""
    path = write_onnx(
        tmp_path / "model.onnx",
        BINARY,
        weights={"second": np.array([[0, 1]], np.float32), "shape": np.array([-1, 1], np.int64)},
    )
    (logits,) = open_session(path).run([LOGITS], {INPUT: PICTURES})
    single = NetworkOutput("scores", ScoreKind.LOGITS, 2, logits[:, 1:])
    assert Equality(open_session(path, quiet=True), single).prove(PICTURES, float16=False) < 1e-6
    with pytest.raises(ParityError, match="differs by"):
        Equality(open_session(path, quiet=True), replace(single, scores=-single.scores)).prove(PICTURES, float16=False)


def test_a_graph_that_takes_one_image_at_a_time_is_told_apart(tmp_path: Path) -> None:
    """It passes where no more are wanted."""
    path = write_onnx(tmp_path / "model.onnx", BUNDLE)
    right = expected(path)
    write_onnx(path, ONE_AT_A_TIME, weights={"shape": np.array([1, 3], np.int64)})
    with pytest.raises(ParityError, match="a batch of 3"):
        Equality(open_session(path, quiet=True), right).prove(PICTURES, float16=False)
    assert Equality(open_session(path, quiet=True), right).prove(PICTURES, float16=False, one_at_a_time=True) < 1e-6


def test_small_probabilities_are_compared_as_shares_of_the_largest(tmp_path: Path) -> None:
    """Those of 20,000 classes differ by less than 1e-4, whatever the network computes."""
    classes = 20_000
    text = BUNDLE.replace("float[N, 3]", f"float[N, {classes}]").replace(
        f"{LOGITS} = ReduceMean <axes = [1, 2], keepdims = 0> (s)",
        f"m = ReduceMean <axes = [1, 2], keepdims = 0> (s) {LOGITS} = MatMul (m, many)",
    )
    many = np.random.default_rng(0).normal(0, 0.1, (3, classes)).astype(np.float32)
    session = open_session(write_onnx(tmp_path / "model.onnx", text, weights={"many": many}), quiet=True)
    (scores,) = session.run([PROBABILITIES], {INPUT: PICTURES})
    right = NetworkOutput("scores", ScoreKind.PROBABILITIES, 2, scores)
    assert Equality(session, right).prove(PICTURES, float16=False) < 1e-5
    exchanged = replace(right, scores=scores[:, ::-1])
    assert np.abs(scores - exchanged.scores).max() < 1e-4
    with pytest.raises(ParityError, match="differs by"):
        Equality(session, exchanged).prove(PICTURES, float16=False)


def test_images_that_reach_the_one_after_the_next_are_noticed(tmp_path: Path) -> None:
    """Sums over the images before: two at a time would be right."""
    path = write_onnx(tmp_path / "model.onnx", BUNDLE)
    right = expected(path)
    sums = "once = CumSum <exclusive = 1> (m, first) twice = CumSum <exclusive = 1> (once, first)"
    mixed = BUNDLE.replace(f"{LOGITS} = ReduceMean", "m = ReduceMean").replace(
        f"(s)\n   {PROBABILITIES}", f"(s)\n   {sums} {LOGITS} = Add (m, twice) {PROBABILITIES}"
    )
    write_onnx(path, mixed, weights={"first": np.int64(0)})
    with pytest.raises(ParityError, match="for several pictures at a time"):
        Equality(open_session(path, quiet=True), right).prove(PICTURES, float16=False)
