"""The sentences at the end of a training, from the manifest of its bundle."""

from pathlib import Path

from models.contract import Manifest, Reliability, ReliabilityBin, read_bundle
from snellen.training_summary import calibration_sentence, trained_sentences

MEASURED = Reliability(
    measured_on="test images",
    images=10,
    nll_before=1.0,
    nll_after=0.5,
    ece_before=0.2,
    ece_after=0.031,
    adaptive_ece_before=0.2,
    adaptive_ece_after=0.03,
    bins=(ReliabilityBin(lower=0.0, upper=1.0, confidence=0.8, accuracy=0.8, images=10),),
)


def with_calibration(manifest: Manifest, **changed: object) -> Manifest:
    """Return the manifest with other values in its calibration."""
    return manifest.model_copy(update={"calibration": manifest.calibration.model_copy(update=changed)})


def test_calibration_is_a_sentence_with_numbers(bundle: Path) -> None:
    """Before and after the temperature, and whether there were too few images."""
    manifest = read_bundle(bundle).manifest
    known = with_calibration(manifest, reliability=MEASURED, temperature=1.5)
    assert calibration_sentence(known) == (
        "the probability of the best class differs from the share of right answers by 3.1 percentage points on "
        "average over 10 images (ECE), 20.0 before the temperature of 1.50 was fitted"
    )
    weak = with_calibration(known, weak="fitted on 20 images; at least 200 are needed")
    assert calibration_sentence(weak).endswith("; this is weak: fitted on 20 images; at least 200 are needed")
    assert calibration_sentence(with_calibration(manifest, reliability=None)).startswith("not measured: ")


def test_accuracy_names_the_images(bundle: Path) -> None:
    """Test images, or validation images where there are none."""
    manifest = read_bundle(bundle).manifest
    for source, images in (
        ("test set of birds", "the 1,000 test images"),
        (
            "validation images of birds",
            "1,000 validation images, which also chose the epoch since there are no test images,",
        ),
    ):
        scores = manifest.variants[0].metrics.model_copy(update={"top1": 0.9, "images": 1000, "source": source})
        variant = manifest.variants[0].model_copy(update={"metrics": scores})
        found = dict(trained_sentences(manifest.model_copy(update={"variants": (variant,)})))
        assert found["accuracy"] == f"90.00% of {images} are classified correctly (95 % interval 88.0 to 91.7 %)"
