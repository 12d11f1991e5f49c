"""Names of the classes of a network from timm: WordNet's where they are known."""

from collections import Counter

from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset

from training.importing.imagenet_labels import CLASSES as IMAGENET_CLASSES
from training.importing.imagenet_labels import imagenet_labels


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
