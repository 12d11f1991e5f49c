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
        name = json.dumps({"model": manifest.name, "version": str(manifest.version)}, separators=(",", ":"))
        self._head = name[:-1].encode() + b',"results":['
        self._labels = [
            b'{"class_id":%d,"label":%s,"probability":' % (k, json.dumps(label, ensure_ascii=False).encode())
            for k, label in enumerate(manifest.labels)
        ]

    def answer(self, results: Iterable[bytes]) -> bytes:
        """Return the JSON of schemas.ClassifyResponse in UTF-8. results: the JSON of each result."""
        return b"%s%s]}" % (self._head, b",".join(results))

    def result(self, result: Classification) -> bytes:
        """Return the JSON of schemas.Result."""
        parts = [b'{"predictions":', self._predictions(result.classes, result.probabilities)]
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
        return b"[%s]" % b",".join([b"%s%.6g}" % (self._labels[class_id], p) for class_id, p in pairs])
