"""Builds a batch from queue entries, in the thread that runs it, and delivers the results."""

import logging
import time
from collections.abc import Sequence

import numpy as np

from models.contract import Pixels
from service.batching.entry import Entry
from service.errors import EngineFailure
from service.types import NON_FINITE_OUTPUT, Batch, EngineResult, Prediction

logger = logging.getLogger(__name__)


class NothingToRun(Exception):
    """No entry of the batch is still waited for, or none of its images could be decoded."""


class BatchJob:
    """Entries that are run together. `batch` can be called in any thread, all other methods in the event loop.

    `non_finite`: indices of the images of the batch whose output holds NaN or infinity.
    """

    def __init__(self, entries: Sequence[Entry], *, only_request: bool) -> None:
        """Create a job.

        only_request: whether the engine has nothing else to run meanwhile.
        """
        self._entries = entries
        self._only_request = only_request
        self._ready: list[Entry] = []
        self._failed: list[tuple[Entry, Exception]] = []
        self._began = self._decoded = 0.0
        self.non_finite: set[int] = set()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def needs_decode_thread(self) -> bool:
        """Whether the job has to decode an image that is not tiny."""
        return any(entry.payload.needs_thread for entry in self._entries)

    def batch(self) -> Batch:
        """Return the batch of all images that are still waited for and could be decoded. Raises NothingToRun."""
        self._began = time.perf_counter()
        images = [pixels for entry in self._entries if (pixels := self._pixels(entry)) is not None]
        if not images:
            raise NothingToRun
        stacked = np.array(images)
        images.clear()  # the traceback of an error may keep this frame alive
        self._decoded = time.perf_counter()
        return Batch(stacked, any(entry.class_map for entry in self._ready), self._only_request)

    def _pixels(self, entry: Entry) -> Pixels | None:
        if not entry.alive:
            return None
        try:
            pixels = entry.payload.pixels()
        except Exception as error:  # any error of one image must not fail the other images of the batch
            self._failed.append((entry, error))
            return None
        self._ready.append(entry)
        return pixels

    def answer(self, prediction: Prediction) -> float:
        """Deliver each entry's row, or EngineFailure if it holds NaN or infinity.

        Return the seconds of the engine run.
        """
        infer_s, decoding_s = time.perf_counter() - self._decoded, self._decoded - self._began
        self.non_finite = non_finite = set((~np.isfinite(prediction.probabilities)).nonzero()[0].tolist())
        energies: list[float] | None = None
        if prediction.energies is not None:
            energies = prediction.energies.tolist()
            non_finite |= set((~np.isfinite(prediction.energies)).nonzero()[0].tolist())
        if non_finite:
            logger.error(
                "of a batch of %d, %d images have an output with NaN or infinity", len(self._ready), len(non_finite)
            )
        for index, (entry, row) in enumerate(zip(self._ready, prediction.probabilities, strict=True)):
            if index in non_finite:
                self._failed.append((entry, EngineFailure(NON_FINITE_OUTPUT)))
                continue
            class_map = prediction.class_map[index] if entry.class_map and prediction.class_map is not None else None
            queue_s = self._began - entry.enqueued_at
            decode_s = decoding_s if entry.payload.deferred else 0.0
            energy = None if energies is None else energies[index]
            entry.answer(EngineResult(row, class_map, queue_s, infer_s, decode_s, energy, len(self._ready)))
        return infer_s

    def close(self) -> None:
        """Deliver the errors to the entries that have no result, and release all entries."""
        for entry, error in self._failed:
            entry.fail(error)
        self._failed.clear()
        self._ready.clear()
        self._entries = ()
