"""The inputs and outputs of a graph against its manifest; nothing is opened."""

from pathlib import Path

import pytest

from models.contract import Manifest, read_bundle
from service.engine.graph_check import Tensors, contract_violation
from tests.support.bundles import SIDE, write_bundle
from tests.support.dense import DENSE

INPUTS: Tensors = {"image": ("tensor(uint8)", [SIDE, SIDE, 3])}
OUTPUTS: Tensors = {
    "probabilities": ("tensor(float)", [3]),
    "logits": ("tensor(float)", [3]),
    "class_map": ("tensor(float)", [3, "height", None]),
}


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return read_bundle(write_bundle(tmp_path)).manifest


def test_a_graph_that_matches_its_manifest_has_no_violation(manifest: Manifest) -> None:
    """The size of the class map is free, and a graph may have further outputs."""
    assert contract_violation(INPUTS, {**OUTPUTS, "features": ("tensor(float16)", [7])}, manifest) is None


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"pixels": INPUTS["image"]},
        {**INPUTS, "mask": ("tensor(bool)", [])},
        {"image": ("tensor(float)", [SIDE, SIDE, 3])},
        {"image": ("tensor(uint8)", [3, SIDE, SIDE])},
        {"image": ("tensor(uint8)", ["H", "W", 3])},
    ],
)
def test_another_input_is_a_violation(inputs: Tensors, manifest: Manifest) -> None:
    """The only input is `image`, uint8 of the size in the manifest; the reason names what was found and expected."""
    reason = contract_violation(inputs, OUTPUTS, manifest)
    assert reason == f"the graph's inputs are {inputs}, the manifest says {INPUTS}"


@pytest.mark.parametrize("name", ["probabilities", "logits", "class_map"])
@pytest.mark.parametrize("found", [None, ("tensor(float16)", [3]), ("tensor(float)", [4]), ("tensor(float)", [])])
def test_a_missing_or_different_output_is_a_violation(
    name: str, found: tuple[str, list[int | str | None]] | None, manifest: Manifest
) -> None:
    """Each output is float32 with one value or plane per label; the reason names the output."""
    outputs = {other: kind for other, kind in OUTPUTS.items() if other != name} | ({name: found} if found else {})
    assert contract_violation(INPUTS, outputs, manifest) == f"output {name} should be float32 [N, 3, ...]: {outputs}"


def test_the_class_map_is_needed_only_where_the_manifest_has_one(manifest: Manifest) -> None:
    """A graph without a class map matches a manifest without one."""
    outputs = {name: kind for name, kind in OUTPUTS.items() if name != "class_map"}
    assert contract_violation(INPUTS, outputs, manifest.model_copy(update={"class_map": False})) is None


def test_a_dense_graph_has_a_free_height_and_width(manifest: Manifest) -> None:
    """A manifest with `dense` needs an input of any size, whatever the graph calls its free dimensions."""
    dense = manifest.model_copy(update={"dense": DENSE})
    assert contract_violation({"image": ("tensor(uint8)", ["H", None, 3])}, OUTPUTS, dense) is None
    reason = contract_violation({"image": ("tensor(uint8)", [SIDE, "W", 3])}, OUTPUTS, dense)
    assert reason is not None
    assert "height and width of the graph's input are not free: [16, 'W']" in reason
