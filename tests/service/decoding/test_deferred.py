"""A payload that is decoded later, by the thread that runs the engine."""

import weakref

import numpy as np
import pytest

from service.decoding.decode import Decoded
from service.decoding.deferred import DeferredDecode
from service.errors import CorruptImage, NotReady


def test_an_image_is_decoded_once_when_its_pixels_are_needed() -> None:
    """Nothing is decoded before the first use, and the pixels are kept for the next."""
    decoded: list[Decoded] = []

    def decode() -> Decoded:
        decoded.append(Decoded(np.zeros((2, 2, 3), np.uint8), (2, 2), 0.25))
        return decoded[-1]

    payload = DeferredDecode(decode)
    assert decoded == []
    assert payload.pixels() is payload.decoded.pixels
    assert len(decoded) == 1


def test_pixels_can_be_read_after_the_payload_is_closed() -> None:
    """An image that was decoded before `close` keeps its pixels and the size of the image."""
    payload = DeferredDecode(lambda: Decoded(np.zeros((2, 2, 3), np.uint8), (40, 30), 0.25))
    payload.pixels()
    payload.close()
    assert payload.decoded.size == (40, 30)


def test_the_error_of_the_decoder_is_raised() -> None:
    """A damaged image raises its error each time when its pixels are read."""

    def decode() -> Decoded:
        raise CorruptImage("damaged")

    payload = DeferredDecode(decode)
    for _ in range(2):
        with pytest.raises(CorruptImage, match="damaged"):
            payload.pixels()


def test_a_closed_payload_frees_the_encoded_bytes() -> None:
    """After `close` nothing refers to the bytes any more, and decoding raises NotReady."""
    body = weakref.ref(holder := Held())
    asked = DeferredDecode(holder.decode)
    del holder
    asked.close()
    assert body() is None
    with pytest.raises(NotReady):
        asked.pixels()


class Held:
    """Encoded bytes that weak references can follow."""

    def decode(self) -> Decoded:
        raise NotImplementedError
