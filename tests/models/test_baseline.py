"""A baseline is two distributions over classes and bins of the bundle, or the bundle is refused with the reason."""

import json
from pathlib import Path
from typing import Any

import pytest

from models.contract import (
    BASELINE_CLASSES,
    CONFIDENCE_BOUNDS,
    MANIFEST,
    Baseline,
    BundleError,
    bin_names,
    read_bundle,
)
from tests.support.bundles import add_baseline, change_manifest, write_bundle


def baseline_of(shares: list[float], other: float | None = None) -> Baseline:
    """The baseline of a network whose answers all have a confidence above 0.99."""
    bins = len(CONFIDENCE_BOUNDS)
    return Baseline.model_validate(
        {
            "measured_on": "made",
            "images": 100,
            "classes": [{"class_id": class_id, "share": share} for class_id, share in enumerate(shares)],
            "other": other,
            "bounds": CONFIDENCE_BOUNDS,
            "confidence": [0.0] * bins + [1.0],
        }
    )


def write_baseline(folder: Path, **changes: Any) -> Path:
    """Add the baseline of `add_baseline` to the manifest of a bundle, with changes."""
    add_baseline(folder)
    calibration = json.loads((folder / MANIFEST).read_text())["calibration"]
    calibration["baseline"] |= changes
    change_manifest(folder, calibration=calibration)
    return folder


def test_a_baseline_is_read_with_its_bundle(tmp_path: Path) -> None:
    """A bundle without one has none, as bundles made before."""
    assert read_bundle(write_bundle(tmp_path / "without")).manifest.calibration.baseline is None
    baseline = read_bundle(write_baseline(write_bundle(tmp_path))).manifest.calibration.baseline
    assert baseline is not None
    assert [each.share for each in baseline.classes] == [0.5, 0.3, 0.2]
    assert baseline.bins == ("0 to 0.5", "0.5 to 0.9", "0.9 to 1")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"classes": [{"class_id": 0, "share": 0.7}, {"class_id": 3, "share": 0.3}]},
            "there is no class 3: class_id is at most 2",
        ),
        ({"classes": [{"class_id": 0, "share": 0.7}] * 2}, "classes name a class twice"),
        ({"classes": [{"class_id": 0, "share": 0.7}]}, "classes with `other` sum to 0.7, not to 1"),
        ({"classes": [{"class_id": 0, "share": 1.0}]}, "it names 1 of 3 classes, and `other` has no share"),
        ({"classes": [{"class_id": 0, "share": 1.7}]}, "baseline.classes.0.share: .* less than or equal to 1"),
        ({"classes": []}, "baseline.classes: .* at least 1"),
        ({"other": 0.0}, "it names all classes, so `other` has to be null"),
        ({"confidence": [0.1, 0.2, 0.6]}, "shares of confidence sum to 0.9, not to 1"),
        ({"confidence": [0.1, 0.9]}, "confidence has 2 shares for 2 bounds, not one more"),
        ({"confidence": [-0.1, 0.5, 0.6]}, "baseline.confidence.0: .* greater than or equal to 0"),
        ({"bounds": [0.9, 0.5]}, "bounds do not increase"),
        ({"bounds": [0.5, 0.5]}, "bounds do not increase"),
        ({"bounds": [0.5, 1.0]}, "baseline.bounds.1: .* less than 1"),
        ({"bounds": [i / 100 for i in range(1, 60)]}, "baseline.bounds: .* at most 49"),
        ({"images": 0}, "baseline.images: .* greater than or equal to 1"),
        ({"unfamiliar": 0.05}, "baseline.unfamiliar is a share above calibration.energy, which is null"),
        ({"mood": "good"}, "baseline.mood: Extra inputs are not permitted"),
    ],
)
def test_a_baseline_that_is_none_is_refused(tmp_path: Path, changes: dict[str, object], reason: str) -> None:
    """The message names the field and says what is wrong."""
    folder = write_baseline(write_bundle(tmp_path), **changes)
    with pytest.raises(BundleError, match=rf"manifest.json: .*{reason}"):
        read_bundle(folder)


def test_a_baseline_needs_version_2(tmp_path: Path) -> None:
    """Readers of version 1 do not know it."""
    folder = write_baseline(write_bundle(tmp_path))
    change_manifest(folder, schema_version=1, labels=["red", "green", "blue"])
    with pytest.raises(BundleError, match="calibration.baseline needs schema_version 2"):
        read_bundle(folder)


def test_rounded_shares_are_accepted() -> None:
    """Thirds do not sum to 1 in six digits."""
    assert baseline_of([0.333333] * 3).misfit(3) is None


def test_at_most_fifty_shares_are_named() -> None:
    """Of 51 classes, 49 and the rest of them."""
    assert baseline_of([0.01] * 49, other=0.51).misfit(51) is None
    with pytest.raises(ValueError, match="at most 49 beside `other`"):
        baseline_of([0.01] * BASELINE_CLASSES, other=0.5)
    with pytest.raises(ValueError, match="at most 50 items"):
        baseline_of([1 / 51] * 51)


def test_bins_lie_between_0_and_1() -> None:
    """Their names are in the order of the bins also when they are sorted as text."""
    names = bin_names(CONFIDENCE_BOUNDS)
    assert (names[0], names[-1]) == ("0 to 0.1", "0.99 to 1")
    assert sorted(names) == list(names)
