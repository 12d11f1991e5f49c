"""Labelled pictures in class folders or a table, made in the test."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.support.bundles import LABELS, SIDE

MODELS = Path(__file__).parents[2] / "models"
FASHION = MODELS / "fashion-mnist" / "3"


def write_colours(root: Path, count: int, seed: int = 0, *, spread: float = 12) -> Path:
    """Write `count` pictures of each class of the colour bundle: in some another channel is the brightest.

    spread: standard deviation of the grey levels of a channel; the class has 20 more in its own.
    """
    random = np.random.default_rng(seed)
    for place, label in enumerate(LABELS):
        (root / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            levels = 110 + 20 * np.eye(3)[place] + random.normal(0, spread, 3)
            save(root / label / f"{number:03}.png", np.full((SIDE, SIDE, 3), levels))
    return root


def write_clothes(root: Path, count: int, seed: int = 0) -> Path:
    """Write `count` changed copies of the golden image of each class of `fashion-mnist/3`; folders are class_ids."""
    random = np.random.default_rng(seed)
    for path in sorted((FASHION / "golden").glob("[0-9].*")):
        (root / path.stem).mkdir(parents=True, exist_ok=True)
        grey = np.asarray(Image.open(path).convert("L"), np.float64)
        for number in range(count):
            shift = random.integers(-1, 2, 2)
            moved = np.roll(grey, tuple(shift), (0, 1)) * random.uniform(0.6, 1.1)
            save(root / path.stem / f"{number:03}.png", moved + random.normal(0, 8, grey.shape))
    return root


def save(path: Path, pixels: NDArray[np.float64]) -> None:
    """Write grey levels [H, W] or [H, W, 3] as a PNG."""
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


def write_multilabel_table(root: Path, count: int, seed: int = 0, *, level: float = 160) -> Path:
    """Write `count` pictures and a table with their labels; returns the table.

    level: grey level of a channel that counts as present; the sigmoids of `write_bundle` are 0.5 at 128.
    """
    root.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    lines = ["path,label"]
    for number in range(count):
        present = random.random(3) < 0.5
        levels = np.where(present, level, level - 60) + random.normal(0, 20, 3)
        save(root / f"{number:03}.png", np.full((SIDE, SIDE, 3), levels))
        lines.append(
            f"{number:03}.png,{'|'.join(label for label, there in zip(LABELS, present, strict=True) if there)}"
        )
    (root / "table.csv").write_text("\n".join(lines) + "\n")
    return root / "table.csv"
