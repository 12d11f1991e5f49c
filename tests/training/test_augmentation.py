"""Random changes to a batch."""

import pytest
import torch

from training.augmentation import Augmentation, augment


def changed(images: torch.Tensor, how: Augmentation, seed: int = 0) -> torch.Tensor:
    return augment(images, how, fill=7, random=torch.Generator().manual_seed(seed))


NOTHING = Augmentation(flip=False, shift=0, erase=0)
BATCH = torch.arange(64 * 12 * 10).remainder(251).to(torch.uint8).reshape(64, 12, 10)


@pytest.mark.parametrize("how", [Augmentation(), NOTHING, Augmentation(erase=0), Augmentation(shift=0)])
def test_shape_and_type_stay(how: Augmentation) -> None:
    """Pixels stay uint8 and as many as before."""
    assert changed(BATCH, how).shape == BATCH.shape
    assert changed(BATCH, how).dtype == torch.uint8


def test_without_changes_the_batch_stays_as_it_is() -> None:
    """All switched off is the identity."""
    assert torch.equal(changed(BATCH, NOTHING), BATCH)


def test_about_half_of_the_images_are_mirrored() -> None:
    """Each image is either itself or its mirror image."""
    result = changed(BATCH, Augmentation(flip=True, shift=0, erase=0))
    mirrored = [torch.equal(after, before.flip(-1)) for after, before in zip(result, BATCH, strict=True)]
    kept = [torch.equal(after, before) for after, before in zip(result, BATCH, strict=True)]
    assert 16 < sum(mirrored) < 48
    assert sum(mirrored) + sum(kept) == 64


def test_a_shift_moves_and_brings_in_black() -> None:
    """A white image keeps its level where it is, and shows black at most `shift` pixels from an edge."""
    white = torch.full((200, 9, 9), 255, dtype=torch.uint8)
    result = changed(white, Augmentation(flip=False, shift=2, erase=0))
    assert bool((result[:, 2:-2, 2:-2] == 255).all())
    assert bool((result[:, 0] == 0).any())
    assert bool((result[:, :, -1] == 0).any())


def test_a_square_is_painted_over_within_the_image() -> None:
    """At most side x side pixels get the fill level, and every chosen image loses some."""
    white = torch.full((200, 20, 20), 255, dtype=torch.uint8)
    painted = (changed(white, Augmentation(flip=False, shift=0, erase=6, erase_share=1)) == 7).sum((1, 2))
    assert int(painted.max()) == 36
    assert int(painted.min()) > 0


def test_a_share_of_the_images_is_left_whole() -> None:
    """Half of them keep every pixel."""
    white = torch.full((200, 20, 20), 255, dtype=torch.uint8)
    painted = (changed(white, Augmentation(flip=False, shift=0, erase=6)) == 7).sum((1, 2))
    assert 60 < int((painted == 0).sum()) < 140


def test_the_same_seed_makes_the_same_batch() -> None:
    """A run can be repeated."""
    assert torch.equal(changed(BATCH, Augmentation(), seed=5), changed(BATCH, Augmentation(), seed=5))
