"""The images with the largest losses among the wrongly classified."""

from collections.abc import Sequence

from training.report.inline_images import picture
from training.report.inputs import UNLABELLED, LabelledData, ReportInputs
from training.report.scores import worst_mistakes
from training.report.section import Content, Figure, Gallery

_MISTAKES = 24


def mistakes(inputs: ReportInputs) -> Content:
    """Return the chapter on mistakes."""
    if inputs.labelled is None:
        return Content(missing=UNLABELLED)
    figures = _mistakes(inputs.labelled, inputs.labels)
    if not figures:
        return Content(missing=f"There is no mistake among {len(inputs.labelled.images):,} images.")
    return Content([Gallery(figures, "small")])


def _mistakes(labelled: LabelledData, labels: Sequence[str]) -> list[Figure]:
    return [
        Figure(
            picture(labelled.images.images[each.image], f"Image {each.image}, of the class {labels[each.true]}"),
            f"{labels[each.predicted]} {each.p_predicted:.1%}",
            f"is {labels[each.true]}, {_percent(each.p_true)}; loss {each.loss:.1f}{_file(labelled, each.image)}",
        )
        for each in worst_mistakes(labelled.evaluation, _MISTAKES)
    ]


def _file(labelled: LabelledData, image: int) -> str:
    """Return the file of an image; empty where images are parts of a larger file."""
    return f"; {labelled.images.names[image]}" if labelled.images.names else ""


def _percent(probability: float) -> str:
    return "below 0.1%" if probability < 0.001 else f"{probability:.1%}"
