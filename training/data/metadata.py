"""Metadata of data sets: names of the classes, licence, known limits."""

import string
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from training.data.part_names import part_of


@dataclass(frozen=True)
class DatasetMetadata:
    """Description of a data set. `labels` are in the order of the numbers in the label files."""

    title: str
    licence: str
    description: str
    labels: tuple[str, ...]
    limits: tuple[str, ...] = ()

    def with_origin(self, place: str) -> Self:
        """Return the same metadata with a title that names the origin of this copy."""
        return replace(self, title=f"{self.title}, from {place}")


FASHION_MNIST = DatasetMetadata(
    title="Fashion-MNIST (Zalando Research, 2017)",
    licence="MIT (data)",
    description="Pieces of clothing, shoes and bags on 28x28 grey pixels: the ten classes of Fashion-MNIST.",
    labels=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    limits=(
        "Trained on light pictures of single articles on a black ground, centred, 28x28 pixels. A photo with a white "
        "ground, a person or a room is outside of what it has seen: do not expect the test accuracy there.",
        "Shirt, T-shirt/top, Pullover and Coat are alike at 28 pixels and share most of the confusion.",
    ),
)
_STROKES = (
    "Trained on single light characters on a black ground, centred: dark ink on paper has to be inverted first.",
)

MNIST = DatasetMetadata(
    title="MNIST (LeCun, Cortes and Burges, 1998)",
    licence="CC BY-SA 3.0 (data)",
    description="Handwritten digits on 28x28 grey pixels.",
    labels=tuple(string.digits),
    limits=_STROKES,
)
KMNIST = DatasetMetadata(
    title="KMNIST (Clanuwat et al., 2018; adapted from the Kuzushiji Dataset of CODH)",
    licence="CC BY-SA 4.0 (data)",
    description="Ten characters of cursive Japanese on 28x28 grey pixels.",
    labels=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    limits=_STROKES,
)
DIGITS = DatasetMetadata(
    title="Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, 1998), 1,797 images of 8x8 pixels that come "
    "with scikit-learn, enlarged to 28x28",
    licence="CC BY 4.0 (data)",
    description="Handwritten digits of 8x8 grey pixels, enlarged to 28x28.",
    labels=tuple(string.digits),
    limits=(*_STROKES, "Scanned at 8x8 pixels: finer strokes are outside of what it has seen."),
)
_NOT_STATED = "not stated by its authors"


def emnist(split: str, labels: tuple[str, ...]) -> DatasetMetadata:
    """Return the metadata of one of the six splits of EMNIST."""
    return DatasetMetadata(
        title=f"EMNIST {split} (Cohen et al., 2017)",
        licence=_NOT_STATED,
        description=f"Handwritten characters of {len(labels)} classes on 28x28 grey pixels.",
        labels=labels,
        limits=_STROKES,
    )


def cifar(labels: tuple[str, ...]) -> DatasetMetadata:
    """Return the metadata of CIFAR-10 or CIFAR-100."""
    return DatasetMetadata(
        title=f"CIFAR-{len(labels)} (Krizhevsky, 2009)",
        licence=_NOT_STATED,
        description=f"Small photographs of {len(labels)} classes, 32x32 colour pixels.",
        labels=labels,
        limits=("Trained on photographs of 32x32 pixels in which the object fills the frame.",),
    )


def own_name(place: Path) -> str:
    """Return the name by which a folder or table is known in bundles, without the folders of this machine.

    A folder that is called as a part, as in photos/train, has the name of the folder around it.
    """
    whole = place.expanduser().resolve()
    name = whole.parent.name if part_of(whole.name) and whole.parent.name else whole.name
    return name if name.isprintable() else ascii(name)


def unknown_dataset(folder: Path, labels: tuple[str, ...]) -> DatasetMetadata:
    """Return metadata of a user's own IDX files: only what the files show."""
    return _own(f"IDX files in {own_name(folder)}", labels)


def files_dataset(place: Path, labels: tuple[str, ...]) -> DatasetMetadata:
    """Return metadata of a user's own image files, found in a folder or listed in a table."""
    return _own(f"pictures of {own_name(place)}", labels)


def _own(title: str, labels: tuple[str, ...]) -> DatasetMetadata:
    return DatasetMetadata(
        title=title,
        licence="not stated",
        description=description_of(labels),
        labels=labels,
        limits=("It has seen pictures of this data set only.",),
    )


def description_of(labels: tuple[str, ...]) -> str:
    """Return the description of a user's own data set, with the first classes in their order."""
    shown = ", ".join(labels[:20]) + (", ..." if len(labels) > 20 else "")
    return f"Pictures of {len(labels)} classes: {shown}."
