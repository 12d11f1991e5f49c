"""The recording rules of drift.yml compute what Python computes from the same counts; promtool runs them."""

import math
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml

from tests.docker.monitoring import DRIFT

pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")
MINUTES = 360
"""The time over which the rules compare."""
VERSION = 'job="snellen", model="m", version="1"'
BASELINE = (0.5, 0.3, 0.2, 0.0)
BINS = ("0 to 0.5", "0.5 to 0.9", "0.9 to 1")
CONFIDENCE = (0.1, 0.2, 0.7)


class Traffic(NamedTuple):
    """Counts of one replica, by class and by bin; their sums are equal."""

    classes: Sequence[float]
    confidence: Sequence[float]
    unfamiliar: float = 0


def psi(counts: Sequence[float], baseline: Sequence[float]) -> float:
    """Return the population stability index, by its definition, with a floor of 0.1 % for each share."""
    total = sum(counts)
    pairs = [(max(count / total, 0.001), max(share, 0.001)) for count, share in zip(counts, baseline, strict=True)]
    return sum((live - base) * math.log(live / base) for live, base in pairs)


def drawn(images: int, shares: Sequence[float], seed: int) -> list[int]:
    """Return counts of images that are drawn with these shares."""
    counts: list[int] = np.random.default_rng(seed).multinomial(images, shares).tolist()
    return counts


def series(replicas: Sequence[Traffic], baseline: Sequence[float], images: int) -> list[dict[str, str]]:
    """Return what a Prometheus sees of some replicas within six hours, of traffic that is spread evenly."""
    found = dict[str, str]()

    def steady(name: str, labels: str, count: float) -> None:
        found[f"{name}{{{labels}}}"] = f"0+{count / MINUTES!r}x{MINUTES}"

    def constant(name: str, labels: str, value: float) -> None:
        found[f"{name}{{{labels}}}"] = f"{value!r}x{MINUTES}"

    for number, traffic in enumerate(replicas):
        version = f'{VERSION}, instance="{number}"'
        for class_id, (count, share) in enumerate(zip(traffic.classes, baseline, strict=True)):
            labels = f'{version}, class_id="{class_id}", label="class {class_id}"'
            steady("snellen_predicted_images_total", labels, count)
            constant("snellen_baseline_class_share", labels, share)
        for name, count, share in zip(BINS, traffic.confidence, CONFIDENCE, strict=True):
            steady("snellen_confidence_images_total", f'{version}, bin="{name}"', count)
            constant("snellen_baseline_confidence_share", f'{version}, bin="{name}"', share)
        steady("snellen_unfamiliar_images_total", version, traffic.unfamiliar)
        constant("snellen_baseline_images", version, images)
    return [{"series": name, "values": values} for name, values in found.items()]


def rounded(value: float) -> float:
    """Round to four digits as PromQL does."""
    return math.floor(value * 10_000 + 0.5) / 10_000


def check(folder: Path, inputs: list[dict[str, str]], expected: dict[str, dict[str, float]]) -> None:
    """Let promtool compare. expected: by expression, values by labels."""
    queries = [
        {
            "expr": f"round({expression}, 0.0001)",
            "eval_time": f"{MINUTES}m",
            "exp_samples": [{"labels": f"{{{labels}}}", "value": rounded(value)} for labels, value in values.items()],
        }
        for expression, values in expected.items()
    ]
    test: dict[str, Any] = {"interval": "1m", "input_series": inputs, "promql_expr_test": queries}
    file = folder / "drift.test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(DRIFT)], "evaluation_interval": "1m", "tests": [test]}))
    result = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def both(classes: float, confidence: float) -> dict[str, float]:
    return {f'{VERSION}, of="classes"': classes, f'{VERSION}, of="confidence"': confidence}


@pytest.mark.parametrize(
    ("classes", "confidence"),
    [
        (drawn(2000, BASELINE, seed=1), drawn(2000, CONFIDENCE, seed=2)),
        ([2000, 0, 0, 0], drawn(2000, CONFIDENCE, seed=3)),
        (drawn(2000, BASELINE, seed=4), [1200, 600, 200]),
        ([0, 0, 0, 2000], [0, 2000, 0]),
    ],
    ids=["as the baseline", "one class only", "less certain", "nothing that the baseline has"],
)
def test_the_index_is_that_of_the_definition(tmp_path: Path, classes: list[int], confidence: list[int]) -> None:
    """An empty share counts as 0.1 %, on either side."""
    traffic = series([Traffic(classes, confidence)], BASELINE, images=3000)
    check(tmp_path, traffic, {"model:snellen_psi": both(psi(classes, BASELINE), psi(confidence, CONFIDENCE))})


def test_the_usual_bounds_tell_chance_from_a_change() -> None:
    """Images like those of the baseline stay below 0.1, one class alone is far above 0.25."""
    assert all(psi(drawn(500, BASELINE, seed), BASELINE) < 0.1 for seed in range(1000))
    assert psi([500, 0, 0, 0], BASELINE) > 0.25


def test_replicas_count_as_one(tmp_path: Path) -> None:
    """Their images are added; the baseline, which each of them shows, is not."""
    one, other = Traffic([300, 0, 0, 0], [300, 0, 0], unfamiliar=30), Traffic([100, 300, 200, 0], [0, 0, 600])
    classes, confidence = [400, 300, 200, 0], [300, 0, 600]
    check(
        tmp_path,
        series([one, other], BASELINE, images=3000),
        {
            "model:snellen_psi": both(psi(classes, BASELINE), psi(confidence, CONFIDENCE)),
            "model:snellen_classified_images": {VERSION: 900},
            "model:snellen_unfamiliar_share": {VERSION: 30 / 900},
            'model:snellen_class_share{class_id="1"}': {f'{VERSION}, class_id="1", label="class 1"': 300 / 900},
            'model:snellen_confidence_share{bin="0.9 to 1"}': {f'{VERSION}, bin="0.9 to 1"': 600 / 900},
        },
    )


def test_few_images_have_no_index(tmp_path: Path) -> None:
    """Of fewer than 500 images in six hours it would say little; their shares are shown all the same."""
    traffic = series([Traffic([490, 0, 0, 0], [0, 0, 490])], BASELINE, images=3000)
    check(tmp_path, traffic, {"model:snellen_psi": {}, "model:snellen_classified_images": {VERSION: 490}})


def test_many_classes_need_more_images(tmp_path: Path) -> None:
    """With 50 classes, 600 images differ from a baseline of 1,000 by more than 0.1 by chance alone."""
    baseline = [1 / 50] * 50
    classes, confidence = [12] * 50, [60, 120, 420]
    by_chance = {images: 49 * (1 / 600 + 1 / images) for images in (1000, 4000)}
    assert by_chance[1000] > 0.1 > by_chance[4000]
    of_confidence = {f'{VERSION}, of="confidence"': psi(confidence, CONFIDENCE)}
    for images, expected in ((1000, of_confidence), (4000, both(psi(classes, baseline), psi(confidence, CONFIDENCE)))):
        check(
            tmp_path,
            series([Traffic(classes, confidence)], baseline, images),
            {
                "model:snellen_psi": expected,
                'model:snellen_psi_by_chance{of="classes"}': {f'{VERSION}, of="classes"': by_chance[images]},
            },
        )


def test_the_index_by_chance_is_what_drawing_gives() -> None:
    """The formula against 2,000 draws of both sides."""
    shares, live, base = [1 / 50] * 50, 2000, 4000
    found = [
        psi(drawn(live, shares, seed), [count / base for count in drawn(base, shares, seed + 10_000)])
        for seed in range(2000)
    ]
    assert np.mean(found) == pytest.approx(49 * (1 / live + 1 / base), rel=0.05)


def test_a_version_without_a_baseline_has_no_index(tmp_path: Path) -> None:
    """Its shares are there."""
    traffic = series([Traffic([600, 0, 0, 0], [0, 0, 600])], BASELINE, images=3000)
    without = [each for each in traffic if "baseline" not in each["series"]]
    check(tmp_path, without, {"model:snellen_psi": {}, "model:snellen_classified_images": {VERSION: 600}})
