"""The same way from bytes to classes without HTTP and without a queue, for `snellen classify`."""

from dataclasses import dataclass

from models.contract import Manifest
from service.answers import top
from service.decoding import DecodeLimits, decode
from service.engine import Batch, OnnxEngine
from service.schemas import Prediction


@dataclass(frozen=True)
class OfflineClassifier:
    """Safe to call from several threads."""

    manifest: Manifest
    limits: DecodeLimits
    engine: OnnxEngine
    top_k: int

    def classify(self, body: bytes) -> list[Prediction]:
        """Most probable class first. Raises UnsupportedFormat, TooManyPixels, CorruptImage, EngineFailure."""
        pixels = decode(body, self.manifest.input, self.manifest.preprocessing, self.limits).pixels
        row = self.engine.run(Batch(pixels[None])).probabilities[0]
        return top(row, self.top_k, self.manifest.labels)
