"""What one image costs: seconds of a core for HTTP and decoding, and seconds of each batch."""

from collections.abc import Mapping
from dataclasses import dataclass

HTTP_S = 0.0008
"""Seconds of a core to receive a request with one image and to answer it; see docs/capacity.md."""


@dataclass(frozen=True)
class Costs:
    """Costs of an image in a process that runs networks, with all cores of the machine at work.

    decode_s: seconds of a core to decode an image. batch_s: images of a batch -> seconds of the batch.
    batch_limit: images of the largest batch that is formed. slots: batches that the process runs at a time.
    decoders: cores of the frontends that receive and decode for an engine process; 0: the process does both itself.
    """

    decode_s: float
    batch_s: Mapping[int, float]
    batch_limit: int
    slots: int = 1
    decoders: int = 0
    http_s: float = HTTP_S

    @property
    def preparation_s(self) -> float:
        """Seconds of a core to receive, decode and answer one image."""
        return self.http_s + self.decode_s

    def engine_s(self, images: int) -> float:
        """Return the seconds of a batch: those of the next larger size that was measured, else in proportion."""
        larger = min((size for size in self.batch_s if size >= images), default=0)
        if larger:
            return self.batch_s[larger]
        largest = max(self.batch_s)
        return self.batch_s[largest] * images / largest

    def slot_s(self, images: int) -> float:
        """Return the seconds for which a batch occupies its slot."""
        return self.engine_s(images) + (0.0 if self.decoders else images * self.preparation_s)

    @property
    def images_per_s(self) -> float:
        """Most images that the process can answer in a second, whatever their latency."""
        of_slots = max(self.slots * size / self.slot_s(size) for size in range(1, self.batch_limit + 1))
        return min(of_slots, self.decoders / self.preparation_s) if self.decoders else of_slots
