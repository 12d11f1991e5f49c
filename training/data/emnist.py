"""The six splits of EMNIST and the names of their classes."""

from torchvision.datasets import EMNIST

from training.errors import DatasetError

SPLITS: tuple[str, ...] = EMNIST.splits


def emnist_labels(split: str) -> tuple[str, ...]:
    """In the order of the numbers from 0; letters, which EMNIST counts from 1, without what stands for 0 there."""
    if split not in SPLITS:
        raise DatasetError(f"there is no split {split!r} of EMNIST: choose one of {', '.join(SPLITS)}")
    return tuple(name for name in EMNIST.classes_split_dict[split] if name != "N/A")
