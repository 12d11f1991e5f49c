"""The same steps from bytes to classes without HTTP and without a queue, for `snellen classify`."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.contract import Manifest, Pixels
from service.decoding.decode import Decoded, DecodeLimits, decode
from service.decoding.heic import may_be_heic
from service.decoding.worker import WorkerLimits, decode_in_new_process
from service.decoding.worker_main import encode_request
from service.engine.engines import LocalEngine
from service.errors import EngineFailure, ServiceError
from service.inference import dense
from service.inference.postprocess import DEFAULT_TOP_K, top, unfamiliar
from service.inference.results import Classification
from service.settings import Settings
from service.types import Batch, Prediction, check_finite

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
        return self._result(self.engine.run(Batch(pixels[None])), 0)

    def classify_batch(self, bodies: Sequence[bytes]) -> list[Classification | ServiceError]:
        """Return a result for each image, which ran as one batch, or the error that is about this image alone.

        bodies: of the size of one batch, all of which is decoded at a time. Ordinary classification only: without
        `dense_pixels`.
        """
        decoded = [self._decoded_or_error(body) for body in bodies]
        pixels = [each for each in decoded if not isinstance(each, ServiceError)]
        classified = iter(self._run_together(pixels) if pixels else ())
        return [each if isinstance(each, ServiceError) else next(classified) for each in decoded]

    def _run_together(self, pixels: list[Pixels]) -> list[Classification | ServiceError]:
        """Run a batch of uint8 [H, W, C]; where it fails, run each image by itself to find the one that fails."""
        try:
            prediction = self.engine.run(Batch(np.stack(pixels)))
        except EngineFailure as error:
            return [error] if len(pixels) == 1 else [each for one in pixels for each in self._run_together([one])]
        return [self._result_or_error(prediction, index) for index in range(len(pixels))]

    def _result_or_error(self, prediction: Prediction, index: int) -> Classification | ServiceError:
        try:
            return self._result(prediction, index)
        except EngineFailure as error:
            return error

    def _result(self, prediction: Prediction, index: int) -> Classification:
        """Return the result of one image of a batch. Raises EngineFailure for NaN and infinity."""
        row, energies = prediction.probabilities[index], prediction.energies
        check_finite(row, *(() if energies is None else (energies[index : index + 1],)))
        energy = None if energies is None else float(energies[index])
        return Classification(
            row, top(row, self.top_k or DEFAULT_TOP_K), energy=energy, unfamiliar=unfamiliar(energy, self.manifest)
        )

    def _decoded_or_error(self, body: bytes) -> Pixels | ServiceError:
        try:
            return self._decode(body).pixels
        except ServiceError as error:
            return error

    def _decode(self, body: bytes) -> Decoded:
        asked = body, self.manifest.input, self.manifest.preprocessing, self.limits, self.dense_pixels
        if "HEIC" in self.limits.formats and may_be_heic(body):
            return decode_in_new_process(encode_request(*asked), _WORKER_LIMITS)
        return decode(*asked)
