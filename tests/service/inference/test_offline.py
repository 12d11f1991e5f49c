"""Classification without HTTP and without a queue, as the command line does it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.contract import Bundle, Preprocessing, read_bundle
from service.decoding.decode import DecodeLimits, decode
from service.engine.onnx_engine import OnnxEngine
from service.engine.providers import EngineOptions
from service.errors import CorruptImage, EngineFailure, TooManyPixels, TooSmall
from service.inference.offline import OfflineClassifier
from service.inference.results import Classification
from service.types import Batch, Prediction
from tests.support.bundles import INPUT, infinite_logits_graph, replace_constant, write_bundle
from tests.support.dense import noise, write_dense_bundle
from tests.support.pictures import GREEN, encoded, picture

LIMITS = DecodeLimits(("JPEG", "PNG"), 10_000)


@contextmanager
def classifier(
    bundle: Bundle, *, top_k: int | None = None, dense_pixels: int | None = None
) -> Iterator[OfflineClassifier]:
    options = EngineOptions()
    engine = OnnxEngine(bundle.model_path(options.precision), bundle.manifest, options)
    yield OfflineClassifier(bundle.manifest, LIMITS, engine, top_k, dense_pixels)
    engine.close()


def test_an_image_is_decoded_and_run_as_the_service_does_it(tmp_path: Path) -> None:
    """The probabilities are those of the graph for the preprocessed image, and the classes the first top_k."""
    body = picture(GREEN, (60, 30), "JPEG")
    with classifier(read_bundle(write_bundle(tmp_path)), top_k=2) as offline:
        result = offline.classify(body)
        pixels = decode(body, INPUT, Preprocessing(), LIMITS).pixels
        expected = offline.engine.run(Batch(pixels[None])).probabilities[0]
    assert result.probabilities.tolist() == expected.tolist()
    assert result.classes.tolist() == [1, *result.classes[1:].tolist()]
    assert len(result.classes) == 2
    assert result.grid is None


@pytest.mark.parametrize(
    ("body", "error"), [(picture()[:-30], CorruptImage), (picture(size=(200, 100)), TooManyPixels)]
)
def test_an_image_that_cannot_be_decoded_raises_its_error(tmp_path: Path, body: bytes, error: type[Exception]) -> None:
    """The limits of decoding hold as in the service."""
    with classifier(read_bundle(write_bundle(tmp_path))) as offline, pytest.raises(error):
        offline.classify(body)


def test_an_output_with_nan_is_an_engine_failure(tmp_path: Path) -> None:
    """A result never holds NaN."""
    folder = write_bundle(tmp_path)
    replace_constant(folder / "model.onnx", "scale", np.nan)
    with classifier(read_bundle(folder)) as offline, pytest.raises(EngineFailure, match="NaN or infinity"):
        offline.classify(picture())


def test_a_dense_result_has_a_grid(tmp_path: Path) -> None:
    """Every part of an image in its own resolution is classified; an image below the input's size is refused."""
    with classifier(read_bundle(write_dense_bundle(tmp_path)), top_k=3, dense_pixels=5_000) as offline:
        grid = offline.classify(encoded(Image.fromarray(noise(37, 50)))).grid
        with pytest.raises(TooSmall):
            offline.classify(picture(size=(15, 40)))
    assert grid is not None
    assert (grid.rows, grid.columns) == (11, 18)
    assert np.shape(grid.class_ids) == (11, 18, 3)


def test_a_result_says_whether_the_picture_is_unfamiliar(tmp_path: Path) -> None:
    """Where the bundle has a threshold, also of a dense result; elsewhere there is no energy."""
    with classifier(read_bundle(write_bundle(tmp_path, energy_threshold=-8))) as offline:
        green, black = offline.classify(picture((0, 255, 0))), offline.classify(picture((0, 0, 0)))
    assert [green.energy, black.energy] == pytest.approx([-np.log(np.exp(10) + 2), -np.log(3)])
    assert [green.unfamiliar, black.unfamiliar] == [False, True]
    with classifier(read_bundle(write_dense_bundle(tmp_path, energy_threshold=-9)), dense_pixels=5_000) as offline:
        dense = offline.classify(picture(GREEN, (20, 20)))
    assert dense.energy is not None
    assert dense.unfamiliar
    with classifier(read_bundle(write_bundle(tmp_path, "without"))) as offline:
        without = offline.classify(picture(GREEN))
    assert (without.energy, without.unfamiliar) == (None, None)


def test_logits_with_infinity_are_an_engine_failure(tmp_path: Path) -> None:
    """Also where the probabilities are finite."""
    folder = write_bundle(tmp_path, graph=infinite_logits_graph(), energy_threshold=-8)
    with classifier(read_bundle(folder)) as offline, pytest.raises(EngineFailure, match="NaN or infinity"):
        offline.classify(picture((255, 255, 255)))


def test_a_batch_gives_what_its_images_give_alone(tmp_path: Path) -> None:
    """In their order; an image that cannot be decoded is an error in its place, and the others are not affected."""
    bodies = [picture(GREEN), picture()[:-30], picture(size=(200, 100)), picture((0, 0, 0))]
    with classifier(read_bundle(write_bundle(tmp_path, energy_threshold=-8)), top_k=2) as offline:
        found = offline.classify_batch(bodies)
        alone = [offline.classify(bodies[0]), offline.classify(bodies[3])]
        assert offline.classify_batch([]) == []
    assert [type(each) for each in found] == [Classification, CorruptImage, TooManyPixels, Classification]
    for together, single in zip((found[0], found[3]), alone, strict=True):
        assert isinstance(together, Classification)
        assert together.probabilities == pytest.approx(single.probabilities)
        assert (together.classes.tolist(), together.unfamiliar) == (single.classes.tolist(), single.unfamiliar)
        assert together.energy == pytest.approx(single.energy)


def test_infinity_in_a_batch_is_an_error_of_its_image(tmp_path: Path) -> None:
    """The others have results."""
    folder = write_bundle(tmp_path, graph=infinite_logits_graph(), energy_threshold=-8)
    with classifier(read_bundle(folder)) as offline:
        white, green = offline.classify_batch([picture((255, 255, 255)), picture(GREEN)])
    assert isinstance(white, EngineFailure)
    assert isinstance(green, Classification)


def test_where_a_batch_cannot_be_run_its_images_run_one_by_one(tmp_path: Path) -> None:
    """So that the failure is that of one image, if it is one image's."""

    class OneByOne(OnnxEngine):
        def run(self, batch: Batch, run: object = None) -> Prediction:
            if len(batch.images) > 1 or batch.images.max() == 255:
                raise EngineFailure("this batch")
            return super().run(batch)

    bundle, options = read_bundle(write_bundle(tmp_path)), EngineOptions()
    engine = OneByOne(bundle.model_path(options.precision), bundle.manifest, options)
    bodies = [picture(GREEN), picture((255, 0, 0)), picture(GREEN)]
    found = OfflineClassifier(bundle.manifest, LIMITS, engine, 1).classify_batch(bodies)
    engine.close()
    assert [type(each) for each in found] == [Classification, EngineFailure, Classification]
