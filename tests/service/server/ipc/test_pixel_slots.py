"""The memory that frontends and engines share."""

import os

import numpy as np
import pytest

from service.server.ipc.pixel_slots import PixelSlots, PixelSlotsView


def test_pixels_are_seen_through_another_mapping() -> None:
    """Without being sent."""
    slots = PixelSlots(3, 27)
    shared = PixelSlotsView(os.dup(slots.descriptor), 3, 27)
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    slot = slots.take(image)
    assert np.array_equal(shared.image(slot, (2, 2, 3)), image)
    os.close(slots.descriptor)


def test_memory_of_another_size_is_refused() -> None:
    """It cannot be read beyond its end; nor be made shorter while somebody reads it."""
    slots = PixelSlots(3, 27)
    with pytest.raises(ValueError, match="size"):
        PixelSlotsView(os.dup(slots.descriptor), 4, 27)
    with pytest.raises(PermissionError):
        os.ftruncate(slots.descriptor, 1)
    os.close(slots.descriptor)
