"""The batcher's promises."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest

from models.contract import Pixels
from service.batching.batcher import Batcher
from service.decoding.decode import Decoded
from service.decoding.deferred import DeferredDecode
from service.errors import CorruptImage, EngineFailure, NotReady, QueueFull
from service.types import Batch, EngineResult, Payload, Prediction, Priority, ReadyPixels
from tests.support.engines import GatedEngine


def image(value: int) -> Pixels:
    return np.full((2, 2, 3), value, np.uint8)


def ready(value: int) -> ReadyPixels:
    return ReadyPixels(image(value))


@pytest.fixture
async def engine() -> GatedEngine:
    return GatedEngine()


@pytest.fixture
async def batcher(engine: GatedEngine) -> AsyncIterator[Batcher]:
    batcher = Batcher(engine, max_batch_size=4, max_queue=6)
    batcher.start()
    yield batcher
    engine.release()
    await batcher.stop()


async def submit_many(
    batcher: Batcher,
    values: range,
    of: Callable[[int], Payload] = ready,
    priority: Priority = Priority.INTERACTIVE,
) -> list[asyncio.Task[EngineResult]]:
    calls = [asyncio.create_task(batcher.submit(of(value), priority=priority)) for value in values]
    await asyncio.sleep(0)
    return calls


async def settle() -> None:
    """Let everything run that does not wait for the engine's gate."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_each_image_gets_its_own_row(engine: GatedEngine, batcher: Batcher) -> None:
    """Answers come back to those who asked, whatever the batches were."""
    engine.release()
    answers = await asyncio.gather(*(batcher.submit(ready(value)) for value in range(6)))
    assert [answer.probabilities.argmax() for answer in answers] == [0, 1, 2, 3, 4, 5]


async def test_an_answer_that_is_no_number_fails_alone(
    engine: GatedEngine, batcher: Batcher, caplog: pytest.LogCaptureFixture
) -> None:
    """As JSON it would be none, and its neighbours' answers are good."""
    calls = await submit_many(batcher, range(4))
    engine.no_number_for.add(2)
    engine.release()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(answer, EngineFailure) for answer in answers] == [False, False, True, False]
    assert "1 images have an output with NaN or infinity" in caplog.text


async def test_an_idle_engine_takes_one_image_at_once(engine: GatedEngine, batcher: Batcher) -> None:
    """Nothing waits for company."""
    engine.release()
    await batcher.submit(ready(3))
    assert engine.sizes == [1]


async def test_the_queue_fills_while_the_engine_works(engine: GatedEngine, batcher: Batcher) -> None:
    """Batches grow with load up to the largest size."""
    first = await submit_many(batcher, range(1))
    await engine.entered.wait()
    rest = await submit_many(batcher, range(1, 7))
    engine.release()
    await asyncio.gather(*first, *rest)
    assert engine.sizes == [1, 4, 2]


async def test_a_full_queue_refuses_at_once(engine: GatedEngine, batcher: Batcher) -> None:
    """The image after the last place is refused and the others are answered."""
    calls = await submit_many(batcher, range(1))
    await engine.entered.wait()
    calls += await submit_many(batcher, range(1, 7))
    with pytest.raises(QueueFull):
        await batcher.submit(ready(7))
    engine.release()
    assert len(await asyncio.gather(*calls)) == 7


async def test_a_client_that_leaves_does_not_disturb_its_batch(engine: GatedEngine, batcher: Batcher) -> None:
    """Cancelling one request of a running batch still answers the others."""
    first = await submit_many(batcher, range(1))
    await engine.entered.wait()
    calls = await submit_many(batcher, range(1, 5))
    calls[1].cancel()
    engine.release()
    answers = await asyncio.gather(*first, *calls, return_exceptions=True)
    assert isinstance(answers[2], asyncio.CancelledError)
    rows = [answer.probabilities.argmax() for answer in answers if not isinstance(answer, BaseException)]
    assert rows == [0, 1, 3, 4]


async def test_an_entry_that_nobody_waits_for_is_not_run(engine: GatedEngine, batcher: Batcher) -> None:
    """A cancelled image leaves the queue without costing the engine anything."""
    first = await submit_many(batcher, range(1))
    await engine.entered.wait()
    calls = await submit_many(batcher, range(1, 4))
    calls[0].cancel()
    await asyncio.sleep(0)
    engine.release()
    await asyncio.gather(*first, *calls, return_exceptions=True)
    assert engine.sizes == [1, 2]


async def test_an_engine_failure_answers_its_batch_and_the_loop_lives_on(engine: GatedEngine, batcher: Batcher) -> None:
    """Whoever was in the failed batch hears of it, the next batch is run."""
    engine.failures = 1
    engine.release()
    with pytest.raises(EngineFailure):
        await batcher.submit(ready(1))
    assert (await batcher.submit(ready(2))).probabilities.argmax() == 2


async def test_only_who_asked_for_a_class_map_gets_one(engine: GatedEngine, batcher: Batcher) -> None:
    """Neighbours of a batch may want different things."""
    first = await submit_many(batcher, range(1))
    await engine.entered.wait()
    plain = asyncio.create_task(batcher.submit(ready(1)))
    mapped = asyncio.create_task(batcher.submit(ready(2), class_map=True))
    await asyncio.sleep(0)
    engine.release()
    await asyncio.gather(*first)
    assert (await plain).class_map is None
    class_map = (await mapped).class_map
    assert class_map is not None
    assert class_map.shape == (8, 1, 1)
    assert engine.sizes == [1, 2]


async def test_stopping_answers_who_waits(engine: GatedEngine, batcher: Batcher) -> None:
    """Nobody is left waiting by a shutdown, and the engine is closed."""
    calls = await submit_many(batcher, range(1))
    await engine.entered.wait()
    calls += await submit_many(batcher, range(1, 4))
    await batcher.stop()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(answer, NotReady) for answer in answers)
    assert engine.closed
    with pytest.raises(NotReady):
        await batcher.submit(ready(1))


async def test_stopping_fails_bulk_images_too(engine: GatedEngine, batcher: Batcher) -> None:
    """Both the bulk images of the running batch and those in the queue get NotReady."""
    calls = await submit_many(batcher, range(6), priority=Priority.BULK)
    await engine.entered.wait()
    await batcher.stop()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(answer, NotReady) for answer in answers)


async def test_several_batches_run_at_a_time() -> None:
    """As many as the engine allows."""
    engine = GatedEngine(concurrency=2)
    batcher = Batcher(engine, max_batch_size=1, max_queue=4)
    batcher.start()
    calls = await submit_many(batcher, range(3))
    await asyncio.sleep(0.01)
    assert engine.sizes == [1, 1]
    engine.release()
    await asyncio.gather(*calls)
    await batcher.stop()


async def test_bulk_batches_run_in_the_loops_that_interactive_images_leave_free() -> None:
    """Of three loops, one runs bulk batches beside an admitted interactive image, and two for a while after it."""
    engine = GatedEngine(concurrency=3)
    batcher = Batcher(engine, 1, 16)
    batcher.start()
    batcher.expect(1)
    calls = await submit_many(batcher, range(3), priority=Priority.BULK)
    await settle()
    assert engine.sizes == [1]
    batcher.expect(0)
    await settle()
    assert engine.sizes == [1, 1]
    engine.release()
    await asyncio.gather(*calls)
    await batcher.stop()


async def test_a_short_batch_needs_no_thread() -> None:
    """Up to the largest that is short enough; the next one goes to the engine's own threads."""
    engine = GatedEngine()
    engine.release()
    batcher = Batcher(engine, max_batch_size=4, max_queue=8, largest_inline=2)
    batcher.start()
    assert (await batcher.submit(ready(5))).probabilities.argmax() == 5
    assert engine.sizes == []
    answers = await asyncio.gather(*(batcher.submit(ready(value)) for value in range(3)))
    assert [answer.probabilities.argmax() for answer in answers] == [0, 1, 2]
    assert engine.sizes == [3]
    await batcher.stop()


async def test_who_asks_again_at_once_comes_into_the_next_batch() -> None:
    """Answers leave before it is put together, so two crowds of clients become one."""
    sizes: list[int] = []

    class Inline(GatedEngine):
        def run(self, batch: Batch) -> Prediction:
            sizes.append(len(batch.images))
            return super().run(batch)

    batcher = Batcher(Inline(), max_batch_size=8, max_queue=8, largest_inline=8)

    async def client(value: int) -> None:
        for _ in range(4):
            await batcher.submit(ready(value))
            for _turn in range(2):  # it reads the answer, and its next request is read
                await asyncio.sleep(0)

    batcher.start()
    crowds = [asyncio.create_task(client(value)) for value in range(4)]
    await asyncio.sleep(0)
    crowds += [asyncio.create_task(client(value)) for value in range(4)]
    await asyncio.gather(*crowds)
    assert sizes == [4, 8, 8, 8, 4]
    await batcher.stop()


@pytest.mark.parametrize(("largest", "in_threads"), [(2, [2]), (0, [1, 2])])
async def test_where_several_batches_can_run_only_a_lone_image_is_run_here(largest: int, in_threads: list[int]) -> None:
    """And only if it is short."""
    engine = GatedEngine(concurrency=2)
    engine.release()
    batcher = Batcher(engine, max_batch_size=2, max_queue=8, largest_inline=largest)
    batcher.start()
    await batcher.submit(ready(1))
    await asyncio.gather(batcher.submit(ready(1)), batcher.submit(ready(2)))
    assert engine.sizes == in_threads
    await batcher.stop()


def encoded(value: int | Exception, *, tiny: bool = False) -> DeferredDecode:
    """Return the payload of an image whose pixels are all `value`, or that cannot be decoded."""

    def decode() -> Decoded:
        if isinstance(value, Exception):
            raise value
        return Decoded(image(value), (2, 2), 0.25)

    return DeferredDecode(decode, needs_thread=not tiny)


@pytest.fixture
async def decoding(engine: GatedEngine) -> AsyncIterator[Batcher]:
    """A batcher whose engine makes its batches in a thread."""
    engine.in_thread = True
    batcher = Batcher(engine, max_batch_size=4, max_queue=6)
    batcher.start()
    yield batcher
    engine.release()
    await batcher.stop()


async def test_an_encoded_image_is_decoded_by_the_engine(engine: GatedEngine, decoding: Batcher) -> None:
    """What came out stays with it."""
    engine.release()
    asked = encoded(3)
    answer = await decoding.submit(asked)
    assert answer.probabilities.argmax() == 3
    assert asked.pixels() is asked.decoded.pixels
    assert answer.decode_s > 0
    assert engine.made == 1


async def test_a_damaged_image_fails_alone(engine: GatedEngine, decoding: Batcher) -> None:
    """The rest of its batch is answered, whatever the decoder raised, each with its own row."""
    first = asyncio.create_task(decoding.submit(ready(0)))
    await engine.entered.wait()
    damaged: list[int | Exception] = [1, CorruptImage("damaged"), 2, ArithmeticError()]
    rest = [asyncio.create_task(decoding.submit(encoded(value))) for value in damaged]
    await asyncio.sleep(0)
    engine.release()
    one, corrupt, two, unexpected = await asyncio.gather(*rest, return_exceptions=True)
    assert isinstance(one, EngineResult)
    assert isinstance(two, EngineResult)
    assert [one.probabilities.argmax(), two.probabilities.argmax()] == [1, 2]
    assert isinstance(corrupt, CorruptImage)
    assert isinstance(unexpected, ArithmeticError)
    assert engine.sizes == [1, 2]
    await first


async def test_nothing_is_run_where_nothing_could_be_decoded(engine: GatedEngine, decoding: Batcher) -> None:
    """And the next one is served."""
    engine.release()
    with pytest.raises(CorruptImage):
        await decoding.submit(encoded(CorruptImage("damaged")))
    assert engine.sizes == []
    assert (await decoding.submit(encoded(5))).probabilities.argmax() == 5


async def test_a_damaged_image_keeps_its_reason_when_the_engine_fails(engine: GatedEngine, decoding: Batcher) -> None:
    """Its neighbours have another one."""
    first = asyncio.create_task(decoding.submit(ready(0)))
    await engine.entered.wait()
    rest = [asyncio.create_task(decoding.submit(encoded(value))) for value in (1, CorruptImage("damaged"))]
    await asyncio.sleep(0)
    engine.failures = 2
    engine.release()
    _, failed, corrupt = await asyncio.gather(first, *rest, return_exceptions=True)
    assert isinstance(failed, EngineFailure)
    assert isinstance(corrupt, CorruptImage)


async def test_who_gave_up_is_not_decoded(engine: GatedEngine, decoding: Batcher) -> None:
    """Its deadline passed while it waited."""
    first = asyncio.create_task(decoding.submit(ready(0)))
    await engine.entered.wait()
    late = encoded(1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.0):
            await decoding.submit(late)
    engine.release()
    await first
    assert (await decoding.submit(encoded(2))).probabilities.argmax() == 2
    assert late._decoded is None


async def test_who_gives_up_while_others_are_decoded_is_not_decoded(engine: GatedEngine, decoding: Batcher) -> None:
    """Nor run."""
    first = asyncio.create_task(decoding.submit(ready(0)))
    await engine.entered.wait()
    begun, gone = threading.Event(), threading.Event()

    def decode() -> Decoded:
        begun.set()
        gone.wait()
        return Decoded(image(1), (2, 2), 0.0)

    slow, late = asyncio.create_task(decoding.submit(DeferredDecode(decode))), encoded(2)
    leaving = asyncio.create_task(decoding.submit(late))
    await asyncio.sleep(0)
    engine.release()
    await asyncio.to_thread(begun.wait)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    gone.set()
    assert (await slow).probabilities.argmax() == 1
    await first
    assert late._decoded is None
    assert engine.sizes == [1, 1]


async def test_what_is_to_be_decoded_is_shared_by_the_loops() -> None:
    """Nobody takes all of it, while others have nothing to do."""
    engine = GatedEngine(concurrency=2)
    assert await answered_encoded(engine, 6) == [0, 1, 2, 3, 4, 5]
    assert sorted(engine.sizes) == [1, 2, 3]


async def test_nobody_waits_for_the_decoding_of_many() -> None:
    """However large a batch may be."""
    engine = GatedEngine(classes=32)
    assert await answered_encoded(engine, 20) == list(range(20))
    assert engine.sizes == [8, 8, 4]


async def answered_encoded(engine: GatedEngine, count: int) -> list[int]:
    """The classes of so many images that come at the same time, still encoded."""
    engine.in_thread = True
    batcher = Batcher(engine, max_batch_size=32, max_queue=32)
    batcher.start()
    calls = await submit_many(batcher, range(count), encoded)
    engine.release()
    classes = [int(answer.probabilities.argmax()) for answer in await asyncio.gather(*calls)]
    await batcher.stop()
    return classes


async def test_tiny_images_are_decoded_without_a_thread() -> None:
    """Where their batch is short; damaged ones fail alone, also if they are all that there is."""
    engine = GatedEngine()
    batcher = Batcher(engine, 4, 8, largest_inline=4)
    batcher.start()
    values: list[int | Exception] = [1, CorruptImage("damaged"), 2]
    calls = [asyncio.create_task(batcher.submit(encoded(value, tiny=True))) for value in values]
    one, corrupt, two = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(one, EngineResult)
    assert isinstance(two, EngineResult)
    assert [one.probabilities.argmax(), two.probabilities.argmax()] == [1, 2]
    assert isinstance(corrupt, CorruptImage)
    with pytest.raises(CorruptImage):
        await batcher.submit(encoded(CorruptImage("damaged"), tiny=True))
    assert engine.sizes == []
    await batcher.stop()


async def test_a_class_map_is_of_its_own_image_behind_a_damaged_one(engine: GatedEngine, decoding: Batcher) -> None:
    """Rows are counted without those that failed, and nobody makes a map that only they wanted."""
    first = asyncio.create_task(decoding.submit(ready(0)))
    await engine.entered.wait()
    corrupt = asyncio.create_task(decoding.submit(encoded(CorruptImage("damaged")), class_map=True))
    mapped = asyncio.create_task(decoding.submit(encoded(3), class_map=True))
    await asyncio.sleep(0)
    engine.release()
    await asyncio.gather(first, corrupt, return_exceptions=True)
    answer = await mapped
    assert answer.class_map is not None
    assert answer.class_map[:, 0, 0].argmax() == answer.probabilities.argmax() == 3
