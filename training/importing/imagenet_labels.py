"""The 1000 ImageNet labels in the order of every network trained on it, from the tables in the package `timm`."""

from collections import Counter
from importlib.metadata import PackageNotFoundError, files

from training.errors import DatasetError, MissingPackageError

SOURCE = "timm, timm/data/_info (WordNet lemmas), Apache-2.0"
CLASSES = 1000

_BETTER = {
    "n02012849": "crane (bird)",
    "n03126707": "crane (machine)",
    "n02113186": "Cardigan Welsh corgi",
    "n02113023": "Pembroke Welsh corgi",
    "n03710637": "maillot",
    "n03710721": "tank suit",
}
"""Labels where the first lemma is ambiguous: two classes share it, or differ only in a capital letter."""


def imagenet_labels() -> tuple[str, ...]:
    """Return the first WordNet lemma of each class, unique also without regard to case.

    The tables are read without importing timm. Raises DatasetError when they are missing or not as expected.
    """
    synsets = _table("imagenet_synsets.txt")
    lemmas = dict(line.split("\t", 1) for line in _table("imagenet_synset_to_lemma.txt"))
    labels = tuple(_BETTER.get(synset, lemmas[synset].split(",")[0].strip()) for synset in synsets)
    shared = [label for label, count in Counter(label.casefold() for label in labels).items() if count > 1]
    if shared or len(labels) != CLASSES or synsets != sorted(synsets):
        raise DatasetError(f"timm's ImageNet tables have {len(labels)} labels, shared: {', '.join(shared) or 'none'}")
    return labels


def _table(name: str) -> list[str]:
    try:
        found = [file for file in files("timm") or () if file.parts[-2:] == ("_info", name)]
    except PackageNotFoundError as error:
        raise MissingPackageError("the labels come from the package", "timm") from error
    if not found:
        raise DatasetError(f"this version of timm has no {name}")
    return found[0].read_text(encoding="utf-8").splitlines()
