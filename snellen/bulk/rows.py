"""Results as columns of Arrow: one row for each image."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from models.contract import Manifest, Precision, Task
from service.errors import ServiceError
from service.inference.results import Classification
from snellen.bulk.reading import Failure, failure_of

_CLASS = pa.struct(
    [
        pa.field("class_id", pa.int32(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("probability", pa.float32(), nullable=False),
    ]
)


class Ranked(NamedTuple):
    """What a row keeps of a classification.

    classes: ids, most probable first. probabilities: float32, of these. present: ids of all classes whose probability
    reaches their threshold, with their probabilities; None where the bundle has no thresholds of classes. unfamiliar:
    None where the bundle has no threshold of the energy.
    """

    classes: Sequence[int]
    probabilities: Sequence[float]
    present: tuple[Sequence[int], Sequence[float]] | None
    unfamiliar: bool | None


def schema_of(manifest: Manifest, precision: Precision = Precision.FP32) -> Any:
    """Return the pyarrow.Schema of the rows of a bundle."""
    fields = [
        pa.field("path", pa.string(), nullable=False),
        pa.field("class_id", pa.int32()),
        pa.field("label", pa.string()),
        pa.field("probability", pa.float32()),
        pa.field("predictions", pa.list_(_CLASS)),
    ]
    if manifest.task is Task.MULTILABEL:
        fields.append(pa.field("present", pa.list_(_CLASS)))
    if manifest.energy_threshold(precision) is not None:
        fields.append(pa.field("unfamiliar", pa.bool_()))
    return pa.schema([*fields, pa.field("error", pa.string())])


def ranked(result: Classification | ServiceError, thresholds: Sequence[float]) -> Ranked | Failure:
    """Return what a row keeps of a result. thresholds: of the classes of the task multilabel, else empty."""
    if isinstance(result, ServiceError):
        return failure_of(result)
    row, present = result.probabilities, None
    if thresholds:
        reached = (row >= np.asarray(thresholds)).nonzero()[0]
        present = reached.tolist(), row[reached].tolist()
    return Ranked(result.classes.tolist(), row[result.classes].tolist(), present, result.unfamiliar)


class RowTable:
    """Turns names and results into tables of a schema."""

    def __init__(self, schema: Any, labels: Sequence[str]) -> None:
        """Prepare the labels. schema: of `schema_of`. labels: of the classes, in their order."""
        self.schema = schema
        self._labels = pa.array(labels, pa.string())

    def table(self, names: Sequence[str], results: Sequence[Ranked | Failure]) -> Any:
        """Return a pyarrow.Table with a row for each image."""
        good = [None if isinstance(each, Failure) else each for each in results]
        first_ids = pa.array([None if each is None else each.classes[0] for each in good], pa.int32())
        columns = {
            "path": pa.array(names, pa.string()),
            "class_id": first_ids,
            "label": self._labels.take(first_ids),
            "probability": pa.array([None if each is None else each.probabilities[0] for each in good], pa.float32()),
            "predictions": self._lists(None if each is None else (each.classes, each.probabilities) for each in good),
            "present": self._lists(None if each is None else each.present for each in good),
            "unfamiliar": pa.array([None if each is None else each.unfamiliar for each in good], pa.bool_()),
            "error": pa.array([each.reason if isinstance(each, Failure) else None for each in results], pa.string()),
        }
        return pa.table([columns[name] for name in self.schema.names], schema=self.schema)

    def _lists(self, lists: Iterable[tuple[Sequence[int], Sequence[float]] | None]) -> Any:
        """Return lists of classes as an array; null for None."""
        ids, probabilities, offsets, whole = list[int](), list[float](), [0], list[bool]()
        for each in lists:
            if each is not None:
                ids += each[0]
                probabilities += each[1]
            offsets.append(len(ids))
            whole.append(each is not None)
        class_ids = pa.array(ids, pa.int32())
        arrays = [class_ids, self._labels.take(class_ids), pa.array(probabilities, pa.float32())]
        structs = pa.StructArray.from_arrays(arrays, fields=list(_CLASS))
        missing = pa.array([not each for each in whole], pa.bool_())
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs, mask=missing)
