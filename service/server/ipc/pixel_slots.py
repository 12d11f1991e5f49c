"""Shared memory for the pixels of images, mapped by a frontend and by engine processes.

It has no name in the file system, so that nothing remains after the processes have ended.
"""

import mmap
import os
from collections.abc import Sequence

import numpy as np

from models.contract import Pixels
from service.errors import QueueFull
from service.memfd import sealed_memory

SLOT_BYTES = 1024 * 1024 * 3
"""Bytes of a slot, whatever the models take: they may change. What a slot does not use of them takes no memory."""
_RETRY_S = 1.0
"""Seconds in Retry-After when all slots are in use."""


class PixelSlots:
    """The slots of a frontend. Each holds one image from its decoding until the engine process no longer reads it."""

    def __init__(self, count: int, size: int) -> None:
        """Allocate the memory. size: bytes of one slot, which is the largest image."""
        self.count, self.size = count, size
        self.descriptor = sealed_memory("snellen-slots", count * size)
        self._memory = np.frombuffer(mmap.mmap(self.descriptor, count * size), np.uint8).reshape(count, size)
        self._free = list(range(count - 1, -1, -1))  # the last slot freed is used first, as it is in the CPU caches

    @property
    def free(self) -> int:
        return len(self._free)

    def take(self, image: Pixels) -> int:
        """Copy the image to a free slot and return its number. Raises QueueFull."""
        if not self._free:
            raise QueueFull(f"all {self.count} slots for images are in use; send the request again later", _RETRY_S)
        slot = self._free.pop()
        self._memory[slot, : image.size] = image.reshape(-1)
        return slot

    def give_back(self, slot: int) -> None:
        self._free.append(slot)


class PixelSlotsView:
    """An engine process's read-only view of a frontend's slots."""

    def __init__(self, descriptor: int, count: int, size: int) -> None:
        """Map the slots and close the descriptor. Raises ValueError when the file does not have the expected size."""
        try:
            if os.fstat(descriptor).st_size != count * size:
                raise ValueError("slots of another size")
            memory = mmap.mmap(descriptor, count * size, prot=mmap.PROT_READ)
        finally:
            os.close(descriptor)
        self._memory = np.frombuffer(memory, np.uint8).reshape(count, size)

    def image(self, slot: int, shape: Sequence[int]) -> Pixels:
        """Return uint8 [H, W, C] without a copy. Raises IndexError for a slot number out of range."""
        height, width, channels = shape
        return self._memory[slot, : height * width * channels].reshape(height, width, channels)
