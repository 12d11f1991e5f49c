"""The same steps from bytes to classes without HTTP and without a queue, for `snellen classify`."""

import sys
from dataclasses import dataclass

from models.contract import Manifest
from service.decoding.decode import Decoded, DecodeLimits, decode
from service.decoding.heic import may_be_heic
from service.decoding.worker import WorkerLimits, decode_in_new_process
from service.decoding.worker_main import encode_request
from service.engine.engines import LocalEngine
from service.inference import dense
from service.inference.postprocess import DEFAULT_TOP_K, top, unfamiliar
from service.inference.results import Classification
from service.settings import Settings
from service.types import Batch, check_finite

_DEFAULTS = Settings.model_fields
_WORKER_LIMITS = WorkerLimits(_DEFAULTS["decode_limit_s"].default, _DEFAULTS["decode_memory_bytes"].default)
"""The defaults of the service."""


@dataclass(frozen=True)
class OfflineClassifier:
    """Classifies images in the calling thread; safe to call from several threads.

    dense_pixels: limit of pixels for dense classification in the image's own resolution; None for ordinary
    classification. Where `limits` name HEIC, such a file is decoded in a process of its own.
    """

    manifest: Manifest
    limits: DecodeLimits
    engine: LocalEngine
    top_k: int | None
    dense_pixels: int | None = None

    def classify(self, body: bytes) -> Classification:
        """Return the classification that the service would return. Raises ImageError, EngineFailure."""
        manifest = self.manifest
        pixels = self._decode(body).pixels
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

    def _decode(self, body: bytes) -> Decoded:
        asked = body, self.manifest.input, self.manifest.preprocessing, self.limits, self.dense_pixels
        if "HEIC" in self.limits.formats and may_be_heic(body):
            return decode_in_new_process(encode_request(*asked), _WORKER_LIMITS)
        return decode(*asked)
