"""The bytes of an answer are the JSON that the schemas describe."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.contract import MANIFEST, Manifest, Task, read_bundle
from service.api.v1.rendering import ResponseWriter
from service.api.v1.schemas import ClassifyResponse, Result
from service.inference.results import Classification, Grid, Heatmap, Region, Size
from tests.support.bundles import change_manifest, write_bundle

PROBABILITIES = np.array([0.1234567, 0.0000012345678, 0.8765421], np.float32)
ORDER = np.array([2, 0, 1])
HEATMAP = Heatmap(2, [[0.0, 1.0]], Region(0.25, 0.0, 0.75, 1.0))
GRID = Grid(1, 2, Size(16, 18), Size(16, 16), Size(2, 2), {2: "blue"}, [[[2], [2]]], [[[0.5], [0.75]]])


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return read_bundle(write_bundle(tmp_path)).manifest


def written(manifest: Manifest, *results: Classification) -> dict[str, object]:
    writer = ResponseWriter(manifest)
    answer: dict[str, object] = json.loads(writer.answer([writer.result(result) for result in results]))
    return answer


def test_classes_are_written_in_their_order_with_six_significant_digits(manifest: Manifest) -> None:
    """Each prediction has the id, the label and the probability of its class."""
    assert written(manifest, Classification(PROBABILITIES, ORDER)) == {
        "model": "colours",
        "version": "1",
        "calibrated": False,
        "results": [
            {
                "predictions": [
                    {"class_id": 2, "label": "blue", "probability": 0.876542},
                    {"class_id": 0, "label": "red", "probability": 0.123457},
                    {"class_id": 1, "label": "green", "probability": 1.23457e-06},
                ]
            }
        ],
    }


def test_optional_parts_are_written_only_where_there_are_some(manifest: Manifest) -> None:
    """A prediction set, a heatmap and a grid stand beside the predictions of their image."""
    plain = Classification(PROBABILITIES, ORDER[:1])
    full = plain._replace(coverage=0.9, prediction_set=ORDER[:2], heatmap=HEATMAP, grid=GRID)
    answer = ResponseWriter(manifest).answer(map(ResponseWriter(manifest).result, (plain, full)))
    first, second = ClassifyResponse.model_validate_json(answer, strict=True).results
    assert first.model_dump(exclude_none=True).keys() == {"predictions"}
    assert second.model_dump(exclude_none=True).keys() == {"predictions", "prediction_set", "heatmap", "dense"}
    found = json.loads(answer)["results"][1]
    assert found["prediction_set"]["coverage"] == 0.9
    assert [member["label"] for member in found["prediction_set"]["predictions"]] == ["blue", "red"]
    assert found["heatmap"]["values"] == [[0.0, 1.0]]
    assert found["dense"]["labels"] == {"2": "blue"}


def test_labels_may_hold_any_text(tmp_path: Path) -> None:
    """Quotation marks and backslashes are escaped, and other characters are written in UTF-8."""
    labels = ['say "red"', "back\\slash", "grün\n"]
    folder = write_bundle(tmp_path)
    change_manifest(folder, labels=labels)
    writer = ResponseWriter(read_bundle(folder).manifest)
    answer = writer.result(Classification(PROBABILITIES, np.arange(3)))
    assert [prediction["label"] for prediction in json.loads(answer)["predictions"]] == labels
    assert "grün".encode() in answer


def test_an_answer_without_results_is_json(manifest: Manifest) -> None:
    """The list of results is empty."""
    answer = json.loads(ResponseWriter(manifest).answer([]))
    assert answer == {"model": "colours", "version": "1", "calibrated": False, "results": []}


def test_an_answer_says_once_whether_and_how_well_it_is_calibrated(tmp_path: Path) -> None:
    """Fitted on held-out images or not, and why little can be concluded from it."""
    folder = write_bundle(tmp_path)
    calibration = json.loads((folder / MANIFEST).read_text())["calibration"]
    weak = 'calibrated on 40 images; "under" 200'
    change_manifest(folder, calibration=calibration | {"fitted_on": "held-out images", "images": 40, "weak": weak})
    answer = ResponseWriter(read_bundle(folder).manifest).answer([])
    parsed = ClassifyResponse.model_validate_json(answer, strict=True)
    assert (parsed.calibrated, parsed.weak_calibration) == (True, weak)


@pytest.mark.parametrize("unfamiliar", [True, False])
def test_the_energy_stands_beside_the_predictions(manifest: Manifest, unfamiliar: bool) -> None:
    """With six significant digits, and with whether it is above the threshold."""
    result = Classification(PROBABILITIES, ORDER, energy=-10.00009059906, unfamiliar=unfamiliar)
    (written_result,) = written(manifest, result)["results"]  # type: ignore[misc]
    assert {name: value for name, value in written_result.items() if name != "predictions"} == {  # type: ignore[has-type]
        "energy": -10.0001,
        "unfamiliar": unfamiliar,
    }


def test_each_class_of_a_multilabel_model_has_its_threshold(tmp_path: Path) -> None:
    """A class is present from its threshold on."""
    manifest = read_bundle(write_bundle(tmp_path, task=Task.MULTILABEL, thresholds=(0.1234567, 0.5, 0.9))).manifest
    answer = ResponseWriter(manifest).answer([ResponseWriter(manifest).result(Classification(PROBABILITIES, ORDER))])
    (result,) = ClassifyResponse.model_validate_json(answer, strict=True).results
    assert isinstance(result, Result)
    assert [(p.label, p.probability, p.threshold, p.present) for p in result.predictions] == [
        ("blue", 0.876542, 0.9, False),
        ("red", 0.123457, 0.123457, True),
        ("green", 1.23457e-06, 0.5, False),
    ]
