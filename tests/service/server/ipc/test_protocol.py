"""Streams between frontends and engines, and the memory beside them."""

import os
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import errors
from service.server.ipc.engine_client import error_from_json, error_to_json
from service.server.ipc.pixel_slots import PixelSlots, PixelSlotsView
from service.server.ipc.protocol import REQUEST, RESPONSE, FrameDecoder, Kind


@given(st.lists(st.binary(max_size=50), max_size=8), st.integers(1, 100))
def test_a_stream_is_cut_where_its_messages_end(messages: list[bytes], step: int) -> None:
    """Whatever pieces it arrives in."""
    stream = b"".join(RESPONSE.pack(Kind.ANSWER, 0, 0, n, 0, 0, 0, len(m)) + m for n, m in enumerate(messages))
    pieces, found = FrameDecoder(RESPONSE), list[tuple[tuple[Any, ...], bytes]]()
    for begin in range(0, len(stream), step):
        found += pieces.feed(stream[begin : begin + step])
    assert [(head[3], behind) for head, behind in found] == list(enumerate(messages))


def test_heads_have_one_size() -> None:
    """Both directions."""
    assert REQUEST.size == RESPONSE.size == 32


def all_errors(kind: type[errors.ServiceError] = errors.ServiceError) -> list[type[errors.ServiceError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in all_errors(child))]


@pytest.mark.parametrize("kind", all_errors())
def test_an_error_arrives_as_it_was(kind: type[errors.ServiceError]) -> None:
    """Its kind, its words, and when to come back."""
    sent = kind("too much", 7) if issubclass(kind, errors.Unavailable) else kind("too much")
    arrived = error_from_json(error_to_json(sent))
    assert (type(arrived), arrived.detail) == (kind, "too much")
    assert vars(arrived) == vars(sent)


def test_pixels_are_seen_through_another_mapping() -> None:
    """Without being sent."""
    slots = PixelSlots(3, 27)
    shared = PixelSlotsView(os.dup(slots.descriptor), 3, 27)
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    slot = slots.take(image)
    assert np.array_equal(shared.image(slot, (2, 2, 3)), image)
    slots.close()


def test_memory_of_another_size_is_refused() -> None:
    """It cannot be read beyond its end; nor be made shorter while somebody reads it."""
    slots = PixelSlots(3, 27)
    with pytest.raises(ValueError, match="size"):
        PixelSlotsView(os.dup(slots.descriptor), 4, 27)
    with pytest.raises(PermissionError):
        os.ftruncate(slots.descriptor, 1)
    slots.close()
