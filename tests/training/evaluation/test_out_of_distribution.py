"""Sets of images that show none of the classes."""

import numpy as np
import pytest

from models.contract import Colour, Input
from tests.training.conftest import SIDE, Exported
from training.errors import DatasetError
from training.evaluation.evaluate import run_graph
from training.evaluation.out_of_distribution import OOD_SETS, ood_images, out_of_distribution

GREY = Input(colour=Colour.L, height=28, width=28)


COLOUR = Input(colour=Colour.RGB, height=32, width=48)


@pytest.mark.parametrize("name", OOD_SETS)
@pytest.mark.parametrize("target", [GREY, COLOUR], ids=["grey", "colour"])
def test_a_set_has_the_pixels_of_the_network(name: str, target: Input) -> None:
    """uint8 of the input's shape, as many as the title says, none of them empty."""
    images = ood_images(name, target)
    assert images.dtype == np.uint8
    assert images.shape[1:] == target.shape
    assert f"{len(images):,} " in OOD_SETS[name].title
    assert images.std(axis=(1, 2, 3)).min() > 0


@pytest.mark.parametrize("name", OOD_SETS)
def test_a_set_is_the_same_each_time(name: str) -> None:
    """So that two runs can be compared."""
    tiny = Input(colour=Colour.L, height=4, width=4)
    assert (ood_images(name, tiny) == ood_images(name, tiny)).all()


def test_an_unknown_set_is_refused_with_the_known_names() -> None:
    """Before anything is computed."""
    with pytest.raises(DatasetError, match=r"'letters'.*choose from digits, photographs, noise"):
        ood_images("letters", GREY)


def test_a_set_goes_through_the_graph_as_the_test_images_do(exported: Exported) -> None:
    """Its logits are those of the exported file."""
    digits = out_of_distribution("digits", exported.path, exported.target)
    assert digits.logits.shape == (1797, 4)
    assert digits.title.startswith("1,797 handwritten digits of scikit-learn")
    first = ood_images("digits", Input(colour=Colour.L, height=SIDE, width=SIDE))[:3]
    np.testing.assert_allclose(digits.logits[:3], run_graph(exported.path, first)[1], rtol=1e-4, atol=1e-4)
