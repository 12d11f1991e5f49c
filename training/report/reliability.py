"""The reliability diagram and its numbers."""

from collections.abc import Sequence

from models.contract import ReliabilityBin
from training.evaluation.metrics import expected_calibration_error, reliability_bins
from training.report.charts import chart, styled
from training.report.inputs import UNLABELLED, ReportInputs
from training.report.reliability_diagram import reliability_figure
from training.report.section import Content, Figure, Gallery, Row, Table


def reliability(inputs: ReportInputs) -> Content:
    """Return the chapter on reliability, from the labelled images, else from the manifest."""
    stored = inputs.manifest.calibration.reliability
    if inputs.labelled is not None:
        evaluation = inputs.labelled.evaluation
        ece = expected_calibration_error(evaluation.probabilities, evaluation.labels)
        bins, source = reliability_bins(evaluation.probabilities, evaluation.labels), inputs.labelled.source
    elif stored is not None:
        bins, ece, source = stored.bins, stored.ece_after, stored.measured_on
    else:
        return Content(missing=UNLABELLED)
    return Content([Gallery([_figure(bins, f"Expected calibration error {ece:.2%}", source)], "full"), _table(bins)])


def _table(bins: Sequence[ReliabilityBin]) -> Table:
    rows = [
        Row(
            (
                f"{each.lower:.0%} to {each.upper:.0%}",
                f"{each.images:,}",
                f"{each.confidence:.1%}",
                f"{each.accuracy:.1%}",
            )
        )
        for each in bins
    ]
    return Table("The same in numbers", ("Confidence", "Images", "Mean confidence", "Accuracy"), rows)


@styled
def _figure(bins: Sequence[ReliabilityBin], caption: str, source: str) -> Figure:
    widest = max(bins, key=lambda part: abs(part.confidence - part.accuracy) * part.images)
    alt = (
        f"Reliability diagram. {caption}. The bin that adds most to it: {widest.images:,} images with a mean "
        f"confidence of {widest.confidence:.1%}, of which {widest.accuracy:.1%} were right."
    )
    return Figure(chart(reliability_figure(bins), "reliability", alt), caption, f"measured on {source}")
