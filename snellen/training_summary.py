"""The last lines of `snellen train`: accuracy, calibration in a sentence, and how to serve the bundle."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.contract import Manifest, Scores


def trained_sentences(manifest: "Manifest") -> Iterator[tuple[str, str]]:
    """Yield what the test images showed, as name and sentence. The scores are those of the fp32 variant."""
    from models.contract import Precision
    from training.evaluation.score_text import interval, percent

    variant = manifest.variant(Precision.FP32)
    if variant is not None and (top1 := variant.metrics.top1) is not None:
        scores = variant.metrics
        between = f" ({interval(top1, scores.images)})" if scores.images else ""
        yield (
            "accuracy",
            f"{percent(top1, scores.images)} of {_images(scores)} are classified correctly{between}",
        )
    yield "calibration", calibration_sentence(manifest)


def _images(scores: "Scores") -> str:
    """Return which images were classified: those for validation where there are no test images."""
    if scores.source.startswith("validation"):
        return f"{scores.images:,} validation images, which also chose the epoch since there are no test images,"
    return f"the {scores.images:,} test images"


def calibration_sentence(manifest: "Manifest") -> str:
    """Return how far the probabilities are from the accuracy, or why they are not to be relied on."""
    calibration = manifest.calibration
    found = calibration.reliability
    if found is None:
        return f"not measured: {calibration.note}"
    sentence = (
        f"the probability of the best class differs from the share of right answers by {100 * found.ece_after:.1f} "
        f"percentage points on average over {found.images:,} {'image' if found.images == 1 else 'images'} (ECE), "
        f"{100 * found.ece_before:.1f} before the temperature of {calibration.temperature:.2f} was fitted"
    )
    return f"{sentence}; this is weak: {calibration.weak}" if calibration.weak else sentence
