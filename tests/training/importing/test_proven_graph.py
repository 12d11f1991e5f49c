"""The graph of a bundle, as it is written."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from models.contract import CLASS_MAP, LOGITS, PROBABILITIES, Colour, Dense, Input
from tests.support.onnx_files import (
    FEATURE_MAPS,
    FEATURE_MAPS_NHWC,
    NCHW_LOGITS,
    NEVER_FREE,
    OPSET_11,
    SIDE,
    STATIC_BATCH,
    write_onnx,
)
from training.data.option_values import InputSize
from training.errors import ParityError
from training.importing import graph_file
from training.importing.guesses import Guess
from training.importing.network_input import find_input
from training.importing.network_output import find_output
from training.importing.normalization import Preset, choose_normalization
from training.importing.onnx_file import read_onnx
from training.importing.original_graph import OriginalGraph, network_values
from training.importing.proven_graph import Original, ProvenGraph, write_graph
from training.importing.wrapped_graph import wrap


def ignore(_: Guess) -> None:
    pass


def original_of(path: Path, preset: Preset = Preset.UNIT) -> Original:
    """The network of a file and its output for a few pictures."""
    file = read_onnx(path)
    size = InputSize(SIDE, SIDE) if "height" in str(file.model.graph.input[0]) else None
    network_input = find_input(file, ignore, size=size)
    normalization = choose_normalization(file, network_input, ignore, preset=preset)
    pictures = np.random.default_rng(0).integers(0, 256, (4, SIDE, SIDE, 3), np.uint8)
    graph = OriginalGraph(path)
    values = [graph.run(network_values(picture[None], network_input, normalization)) for picture in pictures]
    output = find_output(values, ignore, path=path, classes=3)
    return Original(
        lambda one_at_a_time: wrap(file, network_input, normalization, output, one_at_a_time=one_at_a_time),
        network_input,
        output,
        Input(colour=Colour.RGB, height=SIDE, width=SIDE),
        pictures,
    )


def written(folder: Path, text: str) -> tuple[ProvenGraph, onnx.GraphProto, dict[str, str]]:
    """The graph that is made of a network, as an object and as a file, and what was said about it."""
    folder.joinpath("bundle").mkdir()
    said = list[Guess]()
    corner = {
        "start": np.array([0, 0], np.int64),
        "end": np.array([SIDE, SIDE], np.int64),
        "axes": np.array([2, 3], np.int64),
    }
    original = original_of(write_onnx(folder / "model.onnx", text, weights=corner))
    made = write_graph(folder / "bundle" / "model.onnx", original, said.append)
    assert [path.name for path in (folder / "bundle").iterdir()] == ["model.onnx"]
    return made, onnx.load(folder / "bundle" / "model.onnx").graph, {guess.what: guess.value for guess in said}


def shape(value: onnx.ValueInfoProto) -> list[int | str]:
    return [dim.dim_value or dim.dim_param for dim in value.type.tensor_type.shape.dim]


def test_a_batch_is_free_where_it_can_be(tmp_path: Path) -> None:
    """Also where the file has a batch of 1, if the shapes can be changed."""
    made, graph, said = written(tmp_path, STATIC_BATCH)
    assert (made.max_batch, shape(graph.input[0])) == (None, ["N", SIDE, SIDE, 3])
    assert said["batch"] == "any number of images"


def test_else_one_image_at_a_time_is_taken(tmp_path: Path) -> None:
    """The graph says so in its shapes."""
    made, graph, said = written(tmp_path, NEVER_FREE)
    assert (made.max_batch, shape(graph.input[0]), shape(graph.output[0])) == (1, [1, SIDE, SIDE, 3], [1, 3])
    assert said["batch"] == "max_batch 1, one image at a time"


def test_a_class_map_is_added_where_there_is_one(tmp_path: Path) -> None:
    """And height and width become free where the file's are."""
    made, graph, said = written(tmp_path, FEATURE_MAPS)
    assert (made.class_map, made.dense) == (True, None)
    assert [value.name for value in graph.output] == [PROBABILITIES, LOGITS, CLASS_MAP]
    assert said["map"] == "class map of 7x7 positions"
    assert "dense" not in said


@pytest.mark.parametrize(
    "text",
    [
        FEATURE_MAPS.replace("float[", "float16["),
        FEATURE_MAPS.replace("ir_version: 8", "ir_version: 3").replace('"": 17', '"": 7'),
        FEATURE_MAPS_NHWC,
    ],
    ids=["float16", "opset 7", "channels last"],
)
def test_a_class_map_takes_whatever_an_import_takes(tmp_path: Path, text: str) -> None:
    """Numbers of half precision, weights that are listed as inputs, the channels last."""
    made, graph, _ = written(tmp_path, text)
    assert made.class_map
    assert made.difference < 2e-3
    assert [value.name for value in graph.output] == [PROBABILITIES, LOGITS, CLASS_MAP]


def test_height_and_width_become_free_where_those_of_the_file_are(tmp_path: Path) -> None:
    """With stride and window as measured."""
    made, graph, said = written(tmp_path, FEATURE_MAPS.replace(f"3, {SIDE}, {SIDE}]", "3, height, width]"))
    assert made.dense == Dense(stride=(2, 2), window=(7, 7))
    assert shape(graph.input[0]) == ["N", "H", "W", 3]
    assert said["dense"] == "stride 2x2 pixels, window 7x7 positions"


@pytest.mark.parametrize("text", [NCHW_LOGITS, OPSET_11], ids=["no mean", "probabilities"])
def test_a_network_without_a_class_map_stays_without(tmp_path: Path, text: str) -> None:
    """The line says so."""
    made, graph, said = written(tmp_path, text)
    assert (made.class_map, said["map"]) == (False, "no class map")
    assert [value.name for value in graph.output] == [PROBABILITIES, LOGITS]


def test_free_sizes_that_are_not_dense_stay_fixed(tmp_path: Path) -> None:
    """As of a network that looks at a corner only; the class map stays, and the line says why."""
    text = FEATURE_MAPS.replace(f"3, {SIDE}, {SIDE}]", "3, height, width]")
    corner = text.replace("{ ", "{ corner = Slice (input, start, end, axes) ", 1).replace(
        "(input, kernel)", "(corner, kernel)"
    )
    made, graph, said = written(tmp_path, corner)
    assert (made.class_map, made.dense) == (True, None)
    assert shape(graph.input[0]) == ["N", SIDE, SIDE, 3]
    assert said["dense"] == "no dense classification of large pictures"


def test_a_graph_that_computes_something_else_is_refused(tmp_path: Path) -> None:
    """Nothing is left behind."""
    path = write_onnx(tmp_path / "model.onnx", NCHW_LOGITS)
    other = write_onnx(tmp_path / "other.onnx", NCHW_LOGITS, weights={"b": np.zeros(3, np.float32)})
    right, wrong = original_of(path), original_of(other)
    (tmp_path / "bundle").mkdir()
    with pytest.raises(ParityError, match="differs by"):
        write_graph(
            tmp_path / "bundle" / "model.onnx",
            Original(wrong.wrap, right.network_input, right.output, right.target, right.pictures),
            ignore,
        )
    assert list((tmp_path / "bundle").iterdir()) == []


def test_large_weights_lie_beside_the_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As often as the graph is written."""
    monkeypatch.setattr(graph_file, "_LARGEST_FILE", 0)
    path = write_onnx(
        tmp_path / "model.onnx",
        FEATURE_MAPS,
        weights={"kernel": np.ones((512, 3, 3, 3), np.float32), "reader": np.ones((3, 512), np.float32)},
    )
    (tmp_path / "bundle").mkdir()
    made = write_graph(tmp_path / "bundle" / "model.onnx", original_of(path), ignore)
    assert made.class_map
    assert sorted(each.name for each in (tmp_path / "bundle").iterdir()) == ["model.onnx", "model.onnx.data"]
