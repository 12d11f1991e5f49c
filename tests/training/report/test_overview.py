"""The facts at the top of the report."""

import re
from dataclasses import replace
from pathlib import Path

from models.contract import Precision, read_bundle
from training.report.inputs import ReportInputs, open_graph
from training.report.overview import overview

IMAGENET = Path(__file__).parents[3] / "models" / "imagenet" / "1"


def test_labelled_images_are_what_the_scores_are_measured_on(inputs: ReportInputs) -> None:
    """Not those of the manifest."""
    assert inputs.labelled is not None
    top = overview(inputs)
    facts = {fact.name: fact.value for fact in top.facts}
    assert facts["Accuracy"] == f"{inputs.labelled.evaluation.metrics('').top1:.0%}"
    note = next(fact.note for fact in top.facts if fact.name == "Accuracy")
    assert re.fullmatch(r"95 % interval \d+\.\d to \d+\.\d %; 24 images", note)  # and no top 5 of four classes
    assert top.title == "stripes, version 1"
    assert top.basis == "SmallResNet. Scores measured for this report: 24 striped images."


def test_without_them_the_scores_are_those_of_the_manifest(inputs: ReportInputs) -> None:
    """What it does not know is left out."""
    top = overview(replace(inputs, labelled=None))
    facts = {fact.name: fact.value for fact in top.facts}
    assert facts["Accuracy"] == "75%"
    assert "Loss" not in facts
    assert (facts["Classes"], facts["Parameters"], facts["Input"]) == ("4", "1", "16×16")
    assert "measured when the bundle was made: stripes." in top.basis


def test_published_scores_are_called_so() -> None:
    """They were not measured here."""
    bundle = read_bundle(IMAGENET)
    top = overview(ReportInputs(bundle, open_graph(bundle), (), None, None, 0))
    assert "Scores published, not measured here: " in top.basis
    size = bundle.model_path(Precision.FP32).stat().st_size
    assert next(fact.value for fact in top.facts if fact.name == "Model file") == f"{size / 1e6:.1f} MB"
