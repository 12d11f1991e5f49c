"""Writes classifications as JSON bytes directly from arrays; the labels are encoded once per model version."""

import json
from collections.abc import Iterable

from pydantic import TypeAdapter

from models.contract import Manifest, Row
from service.inference.results import ClassIds, Classification, Grid, Heatmap

_PARTS: TypeAdapter[Heatmap | Grid] = TypeAdapter(Heatmap | Grid)


class ResponseWriter:
    """Writes the responses of one model version."""

    def __init__(self, manifest: Manifest) -> None:
        calibration = manifest.calibration
        head = {
            "model": manifest.name,
            "version": str(manifest.version),
            "calibrated": manifest.calibrated,
        } | ({} if calibration.weak is None else {"weak_calibration": calibration.weak})
        encoded = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()
        self._head = encoded[:-1] + b',"results":['
        self._labels = [
            b'{"class_id":%d,"label":%s,"probability":' % (k, json.dumps(label, ensure_ascii=False).encode())
            for k, label in enumerate(manifest.labels)
        ]
        self._thresholds = manifest.thresholds

    def answer(self, results: Iterable[bytes]) -> bytes:
        """Return the JSON of schemas.ClassifyResponse in UTF-8. results: the JSON of each result."""
        return b"%s%s]}" % (self._head, b",".join(results))

    def result(self, result: Classification) -> bytes:
        """Return the JSON of schemas.Result."""
        parts = [b'{"predictions":', self._predictions(result.classes, result.probabilities)]
        if result.energy is not None:
            unfamiliar = b"true" if result.unfamiliar else b"false"
            parts.append(b',"energy":%.6g,"unfamiliar":%s' % (result.energy, unfamiliar))
        if result.prediction_set is not None:
            members = self._predictions(result.prediction_set, result.probabilities)
            parts.append(b',"prediction_set":{"coverage":%s,"predictions":%s}' % (b"%r" % result.coverage, members))
        for name, part in ((b"heatmap", result.heatmap), (b"dense", result.grid)):
            if part is not None:
                parts.append(b',"%s":%s' % (name, _PARTS.dump_json(part)))
        parts.append(b"}")
        return b"".join(parts)

    def _predictions(self, classes: ClassIds, probabilities: Row) -> bytes:
        pairs = zip(classes.tolist(), probabilities[classes].tolist(), strict=True)
        if self._thresholds:
            return b"[%s]" % b",".join([self._judged(class_id, p) for class_id, p in pairs])
        return b"[%s]" % b",".join([b"%s%.6g}" % (self._labels[class_id], p) for class_id, p in pairs])

    def _judged(self, class_id: int, probability: float) -> bytes:
        """Return the JSON of schemas.Prediction for a class of the task multilabel."""
        threshold = self._thresholds[class_id]
        present = b"true" if probability >= threshold else b"false"
        return b'%s%.6g,"threshold":%.6g,"present":%s}' % (self._labels[class_id], probability, threshold, present)
