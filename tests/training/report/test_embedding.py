"""t-SNE."""

from dataclasses import replace

import numpy as np

from training.report.embedding import arrange, embedding
from training.report.inputs import ReportInputs


def test_groups_that_are_far_apart_stay_apart() -> None:
    """Positions are 0 to 1, and the same on every call."""
    random = np.random.default_rng(0)
    features = random.normal(size=(30, 8)).astype(np.float32)
    features[15:] += 50
    positions = arrange(features, seed=0)
    assert positions.shape == (30, 2)
    assert (positions.min(), positions.max()) == (0, 1)
    centres = positions[:15].mean(axis=0), positions[15:].mean(axis=0)
    within = np.linalg.norm(positions[:15] - centres[0], axis=1).max()
    assert np.linalg.norm(centres[0] - centres[1]) > within
    np.testing.assert_array_equal(arrange(features, seed=0), positions)


def test_small_photos_without_labelled_images_are_too_few(inputs: ReportInputs) -> None:
    """Crops of them would be larger than they are."""
    small = [replace(photo, picture=photo.picture.resize((4, 4))) for photo in inputs.photos]
    assert embedding(replace(inputs, labelled=None, photos=small)).missing.startswith("This needs many images")
