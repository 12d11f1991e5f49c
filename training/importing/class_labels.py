"""The names of the classes of an ONNX file: from a file of the user, from metadata, or from a file beside it."""

from pathlib import Path
from typing import NamedTuple

from training.errors import OnnxImportError
from training.importing.config_files import DescribedClasses
from training.importing.guesses import Guess, Report
from training.importing.labels_file import read_labels
from training.importing.network_output import NetworkOutput
from training.importing.onnx_file import OnnxFile


class ClassLabels(NamedTuple):
    """Labels in the order of the classes, and where they come from; none where nothing names the classes."""

    names: tuple[str, ...]
    source: str


def find_labels(file: OnnxFile, path: Path | None, described: DescribedClasses | None, report: Report) -> ClassLabels:
    """Return the labels of the first source that has any: the file `path`, the metadata, the file beside the network.

    Raises TrainingError for a file that cannot be read.
    """
    if path is not None:
        labels = ClassLabels(read_labels(path), str(path))
    elif file.names or described is None:
        labels = ClassLabels(file.names, "names in the metadata")
    else:
        labels = ClassLabels(described.labels, str(described.path))
    names = labels.names
    if names:
        first = ", ".join(names[:3])
        report(Guess("labels", f"{len(names)}, {first}{', ...' if len(names) > 3 else ''}", labels.source))
    return labels


def check_count(labels: ClassLabels, output: NetworkOutput) -> None:
    """Raise OnnxImportError unless there is one label for each class."""
    order = ": the first for a score of 0, the second for a score of 1" if output.binary else ", in their order"
    if not labels.names:
        raise OnnxImportError(
            f"the file does not name its {output.classes} classes: give a file with {output.classes} labels{order}, "
            "with --labels"
        )
    if len(labels.names) != output.classes:
        raise OnnxImportError(
            f"{labels.source} has {len(labels.names)} labels, but output {output.name!r} has {output.classes} classes: "
            f"give one label for each class{order}, with --labels"
        )
