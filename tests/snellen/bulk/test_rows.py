"""Results as columns of Arrow."""

from pathlib import Path

import numpy as np

from models.contract import read_bundle
from service.errors import EngineFailure
from service.inference.results import Classification
from snellen.bulk.reading import Failure
from snellen.bulk.rows import Ranked, RowTable, ranked, schema_of


def result(*probabilities: float, classes: tuple[int, ...], unfamiliar: bool | None = None) -> Classification:
    return Classification(np.array(probabilities, np.float32), np.array(classes), unfamiliar=unfamiliar)


def test_a_row_has_the_first_class_and_all_that_were_asked_for(bundle: Path) -> None:
    """A failed one is null in all of them, and has the reason."""
    manifest = read_bundle(bundle).manifest
    table = RowTable(schema_of(manifest), manifest.labels).table(
        ["a", "b", "c"],
        [
            ranked(result(0.25, 0.75, 0, classes=(1, 0)), ()),
            Failure("kind", "the reason"),
            ranked(result(0, 0, 1, classes=(2,)), ()),
        ],
    )
    first, second, third = table.to_pylist()
    assert first == {
        "path": "a",
        "class_id": 1,
        "label": "green",
        "probability": 0.75,
        "predictions": [
            {"class_id": 1, "label": "green", "probability": 0.75},
            {"class_id": 0, "label": "red", "probability": 0.25},
        ],
        "error": None,
    }
    assert {name for name, value in second.items() if value is None} == first.keys() - {"path", "error"}
    assert (second["error"], third["label"]) == ("the reason", "blue")


def test_columns_depend_on_the_bundle(bundle: Path, familiar: Path, tags: Path) -> None:
    """`unfamiliar` and `present` exist where the bundle has a threshold for them."""
    names = [schema_of(read_bundle(each).manifest).names for each in (bundle, familiar, tags)]
    first = ["path", "class_id", "label", "probability", "predictions"]
    assert names == [[*first, "error"], [*first, "unfamiliar", "error"], [*first, "present", "error"]]


def test_present_classes_reach_their_thresholds(tags: Path) -> None:
    """Whichever of them are among the first."""
    manifest = read_bundle(tags).manifest
    kept = ranked(result(0.6, 0.8, 0.5, classes=(1,)), manifest.thresholds)
    assert isinstance(kept, Ranked)
    row = RowTable(schema_of(manifest), manifest.labels).table(["a"], [kept]).to_pylist()[0]
    assert [each["label"] for each in row["present"]] == ["red", "blue"]
    assert [each["label"] for each in row["predictions"]] == ["green"]


def test_unfamiliar_is_kept(familiar: Path) -> None:
    """True, false, or null where it failed."""
    manifest = read_bundle(familiar).manifest
    found = [ranked(result(1, 0, 0, classes=(0,), unfamiliar=each), ()) for each in (True, False)]
    table = RowTable(schema_of(manifest), manifest.labels).table(["a", "b", "c"], [*found, Failure("k", "r")])
    assert table["unfamiliar"].to_pylist() == [True, False, None]


def test_an_error_becomes_a_failure() -> None:
    """With the words of the service."""
    assert ranked(EngineFailure("it failed"), ()) == Failure("engine failure", "it failed")


def test_a_probability_is_not_rounded(bundle: Path) -> None:
    """It is the float32 of the network."""
    manifest = read_bundle(bundle).manifest
    value = float(np.float32(1 / 3))
    table = RowTable(schema_of(manifest), manifest.labels).table(["a"], [ranked(result(value, 0, 0, classes=(0,)), ())])
    assert table["probability"][0].as_py() == value
