"""What is known about a data set beyond its pixels: names of classes, licence, limits."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DatasetFacts:
    """`labels` in the order of the numbers in the label files."""

    title: str
    licence: str
    description: str
    labels: tuple[str, ...]
    limits: tuple[str, ...]


FASHION_MNIST = DatasetFacts(
    title="Fashion-MNIST (Zalando Research, 2017), from Debian's package dataset-fashion-mnist",
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


def unknown_dataset(folder: str, labels: tuple[str, ...]) -> DatasetFacts:
    """Facts about somebody's own IDX files: only what can be seen."""
    return _own(f"IDX files in {folder}", labels)


def files_dataset(place: str, labels: tuple[str, ...]) -> DatasetFacts:
    """Facts about somebody's own picture files, found in a folder or named by a table."""
    return _own(f"pictures of {place}", labels)


def _own(title: str, labels: tuple[str, ...]) -> DatasetFacts:
    shown = ", ".join(labels[:20]) + (", ..." if len(labels) > 20 else "")
    return DatasetFacts(
        title=title,
        licence="not stated",
        description=f"Pictures of {len(labels)} classes: {shown}.",
        labels=labels,
        limits=("It has seen pictures of this data set only.",),
    )
