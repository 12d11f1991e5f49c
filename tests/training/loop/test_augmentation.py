"""Random changes to a batch."""

import pytest
import torch

from models.contract import Colour, Input
from training.loop.augmentation import Augment, build_mixing, scale
from training.loop.recipe import Augmentation
from training.networks.exported_module import Scaling

GREY = Input(colour=Colour.L, height=12, width=10)
RGB = Input(colour=Colour.RGB, height=16, width=16)
NOTHING = Augmentation(flip=False, shift=0, erase=0)
BATCH = torch.arange(64 * 12 * 10).remainder(251).to(torch.uint8).reshape(64, 12, 10, 1)
BLACK_AND_WHITE = Scaling([0.0], [255.0])


def changed(images: torch.Tensor, augmentation: Augmentation, target: Input = GREY, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    scaling = Scaling([0.0] * target.colour.channels, [255.0] * target.colour.channels)
    result: torch.Tensor = Augment(augmentation, target, scaling)(images)
    return result


@pytest.mark.parametrize(
    "augmentation",
    [
        Augmentation(),
        Augmentation(vertical_flip=True, rotation=20, translation=0.1),
        Augmentation(policy="rand"),
        Augmentation(policy="trivial"),
        Augmentation(colour_jitter=0.4, grayscale=0.5),
    ],
)
@pytest.mark.parametrize("target", [GREY, RGB])
def test_the_network_gets_its_shape(augmentation: Augmentation, target: Input) -> None:
    """Float pixels in the layout of convolutions, whatever is switched on."""
    images = torch.randint(0, 256, (8, *target.shape), dtype=torch.uint8)
    result = changed(images, augmentation, target)
    assert result.shape == (8, target.colour.channels, target.height, target.width)
    assert result.dtype == torch.float32
    assert bool(torch.isfinite(result).all())


def test_rand_augment_never_draws_colour_for_grey_images() -> None:
    """Over many batches, with whatever changes they draw."""
    augment = Augment(NOTHING.model_copy(update={"policy": "rand"}), GREY, BLACK_AND_WHITE)
    for seed in range(60):
        torch.manual_seed(seed)
        assert bool(torch.isfinite(augment(BATCH[:2])).all())


@pytest.mark.parametrize("share", [None, 0.5])
def test_random_crops_have_the_proportions_of_the_input(share: float | None) -> None:
    """What is round in a wide picture stays nearly round in a wide input, whichever part of it a crop takes."""
    wide = Input(colour=Colour.L, height=20, width=80)
    across = torch.linspace(0, 255, 320).repeat(80, 1)
    down = torch.linspace(0, 255, 80)[:, None].repeat(1, 320)
    ramps = torch.stack([across, down]).repeat_interleave(16, 0)[..., None].to(torch.uint8)
    seen = changed(ramps, NOTHING.model_copy(update={"crop_scale": share}), wide)[:, 0]
    widths = (seen[:16, 10, -5] - seen[:16, 10, 5]) * 320
    heights = (seen[16:, -2, 40] - seen[16:, 1, 40]) * 80
    assert 3.3 < float(widths.mean() / heights.mean()) < 5.5
    assert float(widths.min()) > (100 if share is None else 150)


def test_without_changes_only_the_scaling_is_left() -> None:
    """All switched off is what the served graph does to pixels."""
    scaling = Scaling([72.0], [90.0])
    assert torch.allclose(Augment(NOTHING, GREY, scaling)(BATCH), scale(BATCH, scaling), atol=1e-5)


def test_about_half_of_the_images_are_mirrored() -> None:
    """Each image is either itself or its mirror image."""
    result, plain = changed(BATCH, NOTHING.model_copy(update={"flip": True})), changed(BATCH, NOTHING)
    mirrored = [torch.allclose(after, before.flip(-1)) for after, before in zip(result, plain, strict=True)]
    kept = [torch.allclose(after, before) for after, before in zip(result, plain, strict=True)]
    assert 16 < sum(mirrored) < 48
    assert sum(mirrored) + sum(kept) == 64


def test_a_shift_moves_each_image_by_its_own_distance() -> None:
    """A white image keeps its level where it is, and shows black at most `shift` pixels from an edge."""
    white = torch.full((200, 12, 10, 1), 255, dtype=torch.uint8)
    result = changed(white, NOTHING.model_copy(update={"shift": 2}))[:, 0]
    assert bool((result[:, 2:-2, 2:-2] == 1).all())
    assert 20 < int((result[:, 0, 5] == 0).sum()) < 180


def test_a_share_of_the_images_is_painted_over_with_the_mean() -> None:
    """Half of them keep every pixel; of the others at most the stated area goes."""
    white = torch.full((200, 20, 20, 1), 255, dtype=torch.uint8)
    target = Input(colour=Colour.L, height=20, width=20)
    augmentation = NOTHING.model_copy(update={"erase": 0.5, "erase_area": 0.2})
    painted = (changed(white, augmentation, target) == 0).sum((1, 2, 3))
    assert 60 < int((painted == 0).sum()) < 140
    assert int(painted.max()) <= 0.25 * 400


def test_a_larger_photo_is_cropped_at_random_to_the_input() -> None:
    """A horizontal ramp shows different parts."""
    ramp = torch.arange(40, dtype=torch.uint8).mul(6).expand(8, 40, 40).unsqueeze(-1).repeat(1, 1, 1, 3)
    result = changed(ramp, NOTHING, RGB)
    assert result.shape == (8, 3, 16, 16)
    assert len({round(float(image.mean()), 3) for image in result}) > 4


def test_a_smaller_image_is_enlarged_to_the_input() -> None:
    """A data set of 8x8 pixels can train a network of 16x16."""
    assert changed(torch.zeros(2, 8, 8, 3, dtype=torch.uint8), NOTHING, RGB).shape == (2, 3, 16, 16)


def test_the_same_seed_makes_the_same_batch() -> None:
    """A run can be repeated."""
    augmentation = Augmentation(policy="trivial", rotation=10)
    assert torch.equal(changed(BATCH, augmentation, seed=5), changed(BATCH, augmentation, seed=5))


@pytest.mark.parametrize(
    "augmentation", [Augmentation(mixup=0.4), Augmentation(cutmix=1.0), Augmentation(mixup=1, cutmix=1)]
)
def test_mixed_labels_share_the_whole_between_classes(augmentation: Augmentation) -> None:
    """Each image's target sums to one."""
    mix = build_mixing(augmentation, classes=4)
    assert mix is not None
    images, labels = mix(torch.rand(8, 1, 12, 10), torch.arange(8) % 4)
    assert images.shape == (8, 1, 12, 10)
    assert torch.allclose(labels.sum(1), torch.ones(8))


def test_without_mixing_labels_stay_numbers() -> None:
    """Nothing to call."""
    assert build_mixing(Augmentation(), classes=4) is None
