"""One batch: its images are collected in the engine's thread, its results are delivered to the entries."""

import asyncio
import weakref

import numpy as np
import pytest

from models.contract import Pixels
from service.batching.batch import BatchJob, NothingToRun
from service.batching.entry import Entry
from service.decoding.decode import Decoded
from service.decoding.deferred import DeferredDecode
from service.errors import CorruptImage, EngineFailure
from service.types import Payload, Prediction, ReadyPixels


def pixels(value: int) -> ReadyPixels:
    return ReadyPixels(np.full((2, 2, 3), value, np.uint8))


def encoded(value: int | Exception, *, needs_thread: bool = True) -> DeferredDecode:
    """Return the payload of an image whose pixels are all `value`, or that cannot be decoded."""

    def decode() -> Decoded:
        if isinstance(value, Exception):
            raise value
        return Decoded(np.full((2, 2, 3), value, np.uint8), (2, 2), 0.25)

    return DeferredDecode(decode, needs_thread=needs_thread)


def entry(payload: Payload, *, class_map: bool = False) -> Entry:
    return Entry(payload, class_map, asyncio.get_running_loop().create_future())


def one_hot(*classes: int) -> Prediction:
    """Return an output that is certain of one of four classes for each image."""
    return Prediction(np.eye(4, dtype=np.float32)[list(classes)])


async def test_a_batch_holds_the_images_that_a_client_waits_for() -> None:
    """The image of a client that has disconnected is left out, and each other entry gets its own row."""
    entries = [entry(pixels(value)) for value in (3, 1, 2)]
    entries[1].result.cancel()
    job = BatchJob(entries, only_request=False)
    assert job.batch().images[:, 0, 0, 0].tolist() == [3, 2]
    job.answer(one_hot(3, 2))
    job.close()
    assert [(await each.result).probabilities.argmax() for each in (entries[0], entries[2])] == [3, 2]


async def test_a_batch_without_images_is_not_run() -> None:
    """A batch whose only image cannot be decoded raises NothingToRun, and the entry gets the error of the decoder."""
    damaged = entry(encoded(CorruptImage("damaged")))
    job = BatchJob([damaged], only_request=True)
    with pytest.raises(NothingToRun):
        job.batch()
    job.close()
    with pytest.raises(CorruptImage, match="damaged"):
        await damaged.result


async def test_an_image_that_cannot_be_decoded_fails_alone() -> None:
    """The other images of its batch get their own rows, the damaged one the error of the decoder."""
    first, damaged, last = entry(encoded(1)), entry(encoded(CorruptImage("damaged"))), entry(encoded(2))
    job = BatchJob([first, damaged, last], only_request=False)
    assert job.batch().images[:, 0, 0, 0].tolist() == [1, 2]
    job.answer(one_hot(1, 2))
    job.close()
    assert [(await each.result).probabilities.argmax() for each in (first, last)] == [1, 2]
    with pytest.raises(CorruptImage, match="damaged"):
        await damaged.result


async def test_an_output_with_nan_or_infinity_is_an_error_of_its_image_alone() -> None:
    """The index of such an image is in `non_finite`, and only its entry fails."""
    entries = [entry(pixels(value)) for value in range(3)]
    job = BatchJob(entries, only_request=False)
    job.batch()
    outputs = one_hot(0, 1, 2)
    outputs.probabilities[1, 0] = np.nan
    outputs.probabilities[2, 3] = np.inf
    job.answer(outputs)
    job.close()
    assert job.non_finite == {1, 2}
    assert (await entries[0].result).probabilities.tolist() == [1, 0, 0, 0]
    for broken in entries[1:]:
        with pytest.raises(EngineFailure, match="NaN or infinity"):
            await broken.result


async def test_class_maps_are_requested_if_a_decoded_image_needs_one() -> None:
    """The class map of an image that cannot be decoded is not computed."""
    wanted = BatchJob([entry(pixels(0)), entry(pixels(1), class_map=True)], only_request=False)
    assert wanted.batch().class_map
    damaged = entry(encoded(CorruptImage("damaged")), class_map=True)
    assert not BatchJob([entry(pixels(0)), damaged], only_request=False).batch().class_map


async def test_decode_time_is_reported_only_for_images_that_the_batch_decodes() -> None:
    """An image that was decoded before its request was queued has 0 seconds of decoding in its result."""
    before, within = entry(pixels(1)), entry(encoded(2))
    job = BatchJob([before, within], only_request=False)
    job.batch()
    job.answer(one_hot(1, 2))
    assert (await before.result).decode_s == 0
    assert (await within.result).decode_s > 0


async def test_one_image_that_is_slow_to_decode_needs_a_thread() -> None:
    """A batch of decoded and of tiny images does not need a thread for decoding."""
    tiny, slow = entry(encoded(1, needs_thread=False)), entry(encoded(2))
    assert not BatchJob([entry(pixels(0)), tiny], only_request=False).needs_decode_thread
    assert BatchJob([tiny, slow], only_request=False).needs_decode_thread


async def test_a_closed_batch_does_not_keep_its_images_in_memory() -> None:
    """The traceback of an error may keep the job alive, but not the payloads of its images."""
    payloads = [Held(), Held()]
    freed = weakref.WeakSet(payloads)
    job = BatchJob([entry(payloads.pop()), entry(payloads.pop())], only_request=False)
    job.batch()
    job.close()
    assert not freed
    assert len(job) == 0


class Held:
    """A decoded image that weak references can follow."""

    deferred = needs_thread = False

    def pixels(self) -> Pixels:
        return np.zeros((2, 2, 3), np.uint8)


async def test_a_class_map_goes_only_to_the_entry_that_requested_it() -> None:
    """Of two images that are run together, one gets its class map and the other gets None."""
    without, wanted = entry(pixels(0)), entry(pixels(1), class_map=True)
    job = BatchJob([without, wanted], only_request=False)
    job.batch()
    maps = np.arange(8, dtype=np.float32).reshape(2, 4, 1, 1)
    job.answer(Prediction(one_hot(0, 1).probabilities, maps))
    assert (await without.result).class_map is None
    found = (await wanted.result).class_map
    assert found is not None
    assert found.tolist() == maps[1].tolist()


async def test_each_entry_gets_the_energy_of_its_image() -> None:
    """Energies go with their rows; an engine without energies leaves them out."""
    entries = [entry(pixels(value)) for value in (0, 1, 2)]
    job = BatchJob(entries[:2], only_request=False)
    job.batch()
    job.answer(one_hot(0, 1)._replace(energies=np.array([-9.5, -1.25], np.float32)))
    without = BatchJob(entries[2:], only_request=False)
    without.batch()
    without.answer(one_hot(2))
    assert [(await each.result).energy for each in entries] == [-9.5, -1.25, None]


@pytest.mark.parametrize("broken", [np.nan, np.inf])
async def test_an_energy_that_is_not_finite_fails_its_image_alone(broken: float) -> None:
    """As a probability that is NaN does."""
    entries = [entry(pixels(value)) for value in (0, 1)]
    job = BatchJob(entries, only_request=False)
    job.batch()
    job.answer(one_hot(0, 1)._replace(energies=np.array([broken, -1], np.float32)))
    job.close()
    assert job.non_finite == {0}
    with pytest.raises(EngineFailure, match="NaN or infinity"):
        await entries[0].result
    assert (await entries[1].result).energy == -1
