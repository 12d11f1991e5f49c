"""Pixels that two processes see: memory without a name, so that nothing of it can be left behind."""

import mmap
import os
from collections.abc import Sequence

import numpy as np

from models.contract import Pixels
from service.errors import QueueFull
from service.memfd import sealed_memory

_RETRY_S = 1.0


class PixelSlots:
    """A frontend's: each holds one image from when it is decoded until the engine has done with it."""

    def __init__(self, count: int, size: int) -> None:
        """size: bytes of the largest image."""
        self.count, self.size = count, size
        self.descriptor = sealed_memory("snellen-slots", count * size)
        self._memory = np.frombuffer(mmap.mmap(self.descriptor, count * size), np.uint8).reshape(count, size)
        self._free = list(range(count - 1, -1, -1))  # the last one freed is used first: it is in the caches

    @property
    def free(self) -> int:
        return len(self._free)

    def take(self, image: Pixels) -> int:
        """The number of a slot that now holds `image`. Raises QueueFull."""
        if not self._free:
            raise QueueFull(f"all {self.count} places for images are taken; send the request again later", _RETRY_S)
        slot = self._free.pop()
        self._memory[slot, : image.size] = image.reshape(-1)
        return slot

    def give_back(self, slot: int) -> None:
        self._free.append(slot)

    def close(self) -> None:
        """The memory goes when nobody maps it any more."""
        os.close(self.descriptor)


class PixelSlotsView:
    """An engine's view of a frontend's slots."""

    def __init__(self, descriptor: int, count: int, size: int) -> None:
        """Closes the descriptor. Raises ValueError when it has not the size that it should have."""
        try:
            if os.fstat(descriptor).st_size != count * size:
                raise ValueError("slots of another size")
            memory = mmap.mmap(descriptor, count * size, prot=mmap.PROT_READ)
        finally:
            os.close(descriptor)
        self._memory = np.frombuffer(memory, np.uint8).reshape(count, size)

    def image(self, slot: int, shape: Sequence[int]) -> Pixels:
        """uint8 [H, W, C], not copied. Raises IndexError for a slot that there is not."""
        height, width, channels = shape
        return self._memory[slot, : height * width * channels].reshape(height, width, channels)
