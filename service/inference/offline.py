"""The same steps from bytes to classes without HTTP and without a queue, for `snellen classify`."""

import sys
from dataclasses import dataclass

from models.contract import Manifest
from service.decoding.decode import DecodeLimits, decode
from service.engine.onnx_engine import OnnxEngine
from service.inference import dense
from service.inference.postprocess import DEFAULT_TOP_K, top, unfamiliar
from service.inference.results import Classification
from service.types import Batch, check_finite


@dataclass(frozen=True)
class OfflineClassifier:
    """Classifies images in the calling thread; safe to call from several threads.

    dense_pixels: limit of pixels for dense classification in the image's own resolution; None for ordinary
    classification.
    """

    manifest: Manifest
    limits: DecodeLimits
    engine: OnnxEngine
    top_k: int | None
    dense_pixels: int | None = None

    def classify(self, body: bytes) -> Classification:
        """Return the classification that the service would return. Raises ImageError, EngineFailure."""
        manifest = self.manifest
        pixels = decode(body, manifest.input, manifest.preprocessing, self.limits, self.dense_pixels).pixels
        if self.dense_pixels is not None:
            shape = dense.shape_of(pixels, manifest, self.top_k, sys.maxsize)  # a file can hold a result of any size
            return dense.result(self.engine.run_dense(pixels), shape, manifest, self.top_k)
        prediction = self.engine.run(Batch(pixels[None]))
        row, energies = prediction.probabilities[0], prediction.energies
        check_finite(row, *(() if energies is None else (energies,)))
        energy = None if energies is None else float(energies[0])
        return Classification(
            row, top(row, self.top_k or DEFAULT_TOP_K), energy=energy, unfamiliar=unfamiliar(energy, manifest)
        )
