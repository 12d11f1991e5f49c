"""Names of the classes of a network from timm: WordNet's where they are known, or those of a file."""

from collections import Counter
from pathlib import Path

from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset

from training.errors import DatasetError
from training.pretrained.imagenet_labels import CLASSES as IMAGENET_CLASSES
from training.pretrained.imagenet_labels import imagenet_labels


def read_labels(path: Path) -> tuple[str, ...]:
    """Read one label per line, in the order of the classes.

    Raises DatasetError for fewer than two labels and for duplicates.
    """
    labels = tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    if doubles := [label for label, count in Counter(labels).items() if count > 1]:
        raise DatasetError(f"{path}: {doubles[0]!r} is there twice: each class needs a label of its own")
    if len(labels) < 2:
        raise DatasetError(f"{path} has {len(labels)} labels: write one a line, in the order of the network's classes")
    return labels


def published_labels(classes: int) -> tuple[str, ...]:
    """Return ImageNet's labels where the number of classes identifies its subset; else "class 0" and so on."""
    subset = infer_imagenet_subset({"num_classes": classes})
    if subset is None:
        return tuple(f"class {number}" for number in range(classes))
    return imagenet_labels() if classes == IMAGENET_CLASSES else _unique(ImageNetInfo(subset))


def _unique(info: ImageNetInfo) -> tuple[str, ...]:
    """Return the first lemma of each class, with the WordNet number where several classes share it."""
    first = [description.split(",")[0].strip() for description in info.label_descriptions()]
    shared = {label for label, count in Counter(first).items() if count > 1}
    numbered = zip(first, info.label_names(), strict=True)  # type: ignore[no-untyped-call]
    return tuple(f"{label} ({synset})" if label in shared else label for label, synset in numbered)
