"""Names by which people call the parts of a data set, in folders and in tables."""

import re
from typing import Literal

Part = Literal["train", "validation", "calibration", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "calibration", "test")
_NAMES: dict[Part, tuple[str, ...]] = {
    "train": ("train", "training", "trn"),
    "validation": (
        "val",
        "valid",
        "validation",
        "validate",
        "vld",
        "dev",
        "develop",
        "development",
        "eval",
        "evaluation",
    ),
    "calibration": ("calibration", "calib", "cal"),
    "test": ("test", "testing", "tst", "holdout", "heldout"),
}
_PART_OF: dict[str, Part] = {name: part for part, names in _NAMES.items() for name in names}
_FILLING = ("datasets", "dataset", "data", "sets", "set", "images", "image", "imgs", "img", "split", "part", "seg")
"""Words beside the name of a part that say nothing more, as in `seg_train`, `train_set` and `TestData`."""
_YEAR = re.compile(r"(?:19|20)\d\d$")
"""A year after the name of a part, as in COCO's `val2017`."""


def part_of(name: str) -> Part | None:
    """Return the part that a folder or a value of the column `split` stands for, in any case; None for other names.

    `training`, `Test_Set`, `seg_train` and `val2017` are parts; `train station` and `test 2` are not.
    """
    words = [_YEAR.sub("", word) for word in re.split(r"[\s_.-]+", name.strip().casefold())]
    left = "".join(word for word in words if word not in _FILLING)
    if left in _PART_OF:
        return _PART_OF[left]
    for filling in _FILLING:
        for rest in (left.removeprefix(filling), left.removesuffix(filling)):
            if rest in _PART_OF:
                return _PART_OF[rest]
    return None
