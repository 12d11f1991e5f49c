"""The names of the classes of a network with weights of others, as many as its last layer has rows."""

from pathlib import Path

from training.errors import TrainingError
from training.importing.guesses import Guess, Report
from training.importing.imagenet_labels import SOURCE as LABEL_SOURCE
from training.importing.labels_file import read_labels
from training.pretrained.timm_labels import published_labels


def name_classes(classes: int, source: str, labels: Path | None, report: Report) -> tuple[str, ...]:
    """Return one label for each class: of the file `labels`, ImageNet's where their number tells, else "class 0" ...

    source: where the number of classes is known from, in words. Raises TrainingError for another number of labels.
    """
    if classes < 2:
        raise TrainingError(
            f"{source} has {classes} class, and a classifier has two or more: export an ONNX file, "
            "whose single score becomes two classes"
        )
    report(Guess("classes", str(classes), source))
    if labels is None:
        names = published_labels(classes)
        numbered = "numbered, since nothing names them: give a file of labels with --labels"
        reason = numbered if names[0] == "class 0" else f"{LABEL_SOURCE}, by their number"
    else:
        names, reason = read_labels(labels), str(labels)
        if len(names) != classes:
            raise TrainingError(
                f"{labels} has {len(names)} labels, but {source} has {classes} classes: give one label for each class, "
                "in their order"
            )
    report(Guess("labels", f"{len(names)}, {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}", reason))
    return names
