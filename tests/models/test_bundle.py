"""A bundle is read whole or refused with the reason."""

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.bundle import _MAX_MANIFEST_BYTES
from models.contract import (
    MANIFEST,
    BundleError,
    Precision,
    Task,
    find_bundles,
    passed_over,
    read_bundle,
    readable_bundles,
    sha256_of,
)
from tests.support.bundles import change_manifest, write_bundle

ROOT = Path(__file__).parents[2]
SETS = {"fitted_on": "made", "images": 20, "thresholds": {"0.9": 0.9}}


def test_a_written_bundle_reads_back(tmp_path: Path) -> None:
    """Manifest, hashes and golden rows are all there."""
    bundle = read_bundle(write_bundle(tmp_path))
    bundle.check_files()
    assert [row.argmax() for _, _, row in bundle.golden()] == [0, 1, 2]


@pytest.mark.parametrize("name", ["imagenet/1", "fashion-mnist/3"])
def test_the_shipped_bundles_are_whole_and_small(name: str) -> None:
    """Every listed file has its hash, only the card for people lies beside them, all stay under 20 MB."""
    bundle = read_bundle(ROOT / "models" / name)
    bundle.check_files()
    files = {path.relative_to(bundle.path).as_posix() for path in bundle.path.rglob("*") if path.is_file()}
    assert files == {file.path for file in bundle.manifest.files} | {MANIFEST, "MODEL_CARD.md"}
    assert sum((bundle.path / path).stat().st_size for path in files) < 20_000_000


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    """One byte is enough."""
    bundle = read_bundle(write_bundle(tmp_path))
    with (bundle.path / "model.onnx").open("r+b") as stream:
        stream.write(b"\0")
    with pytest.raises(BundleError, match="model.onnx differs from the sha256"):
        bundle.check_files()


def test_a_file_of_another_size_is_noticed_before_it_is_hashed(tmp_path: Path) -> None:
    """Both sizes are named."""
    bundle = read_bundle(write_bundle(tmp_path))
    (bundle.path / "model.onnx").write_bytes(b"short")
    with pytest.raises(BundleError, match=r"model.onnx differs from the size .* 5 bytes instead of \d+"):
        bundle.check_files()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """By its path in the bundle, not on this machine."""
    folder = write_bundle(tmp_path)
    name = "long" * 100
    files = json.loads((folder / MANIFEST).read_text())["files"]
    change_manifest(folder, files=[*files, {"path": name, "sha256": "0" * 64, "bytes": 1}])
    with pytest.raises(BundleError, match="^(long)+ cannot be read: File name too long$"):
        read_bundle(folder).check_files()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The message says which."""
    bundle = read_bundle(write_bundle(tmp_path))
    (bundle.path / "golden/red.png").unlink()
    with pytest.raises(BundleError, match="red.png is missing"):
        bundle.check_files()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema_version": 3}, "schema_version"),
        ({"schema_version": 1, "labels": ["a", "a", "b"]}, "two classes share a label, which needs schema_version 2"),
        ({"schema_version": 1, "task": "multilabel"}, "need schema_version 2"),
        ({"schema_version": 1, "max_batch": 1}, "need schema_version 2"),
        ({"schema_version": 1, "preprocessing": {"resize": "pad"}}, "pad needs schema_version 2"),
        ({"preprocessing": {"resize": "pad", "pad_colour": [0, 0, 256]}}, "less than or equal to 255"),
        ({"schema_version": 1, "preprocessing": {"bits": 12}}, "preprocessing.bits needs schema_version 2"),
        ({"preprocessing": {"bits": 7}}, "bits"),
        ({"preprocessing": {"bits": 17}}, "bits"),
        ({"max_batch": 0}, "max_batch"),
        ({"task": "several"}, "task"),
        ({"labels": ["a"]}, "labels"),
        ({"name": "Colours!"}, "name"),
        ({"files": []}, "not listed under files"),
        ({"surprise": 1}, "surprise"),
        ({"version": 3}, "not of the folder"),
        ({"input": {"colour": "RGB", "height": 0, "width": 1}}, "height"),
        ({"files": [{"path": "../../etc/passwd", "sha256": "0" * 64, "bytes": 1}]}, "stay inside"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, object], reason: str) -> None:
    """The message names the place."""
    folder = write_bundle(tmp_path)
    change_manifest(folder, **changes)
    with pytest.raises(BundleError, match=reason):
        read_bundle(folder)


def test_a_manifest_beyond_its_limit_is_refused(tmp_path: Path) -> None:
    """Before it is read."""
    folder = write_bundle(tmp_path)
    os.truncate(folder / "manifest.json", _MAX_MANIFEST_BYTES + 1)
    with pytest.raises(BundleError, match=f"at most {_MAX_MANIFEST_BYTES} are read"):
        read_bundle(folder)


def test_no_manifest_is_said_plainly(tmp_path: Path) -> None:
    """A folder that is no bundle."""
    with pytest.raises(BundleError, match="cannot be read"):
        read_bundle(tmp_path)


def test_golden_rows_of_another_length_are_refused(tmp_path: Path) -> None:
    """Probabilities must be there for every class."""
    bundle = read_bundle(write_bundle(tmp_path))
    (bundle.path / "golden/probabilities.json").write_text(json.dumps({"golden/red.png": [1.0]}))
    with pytest.raises(BundleError, match="no 3 probabilities"):
        list(bundle.golden())


def test_sigmoids_are_no_probabilities_of_one_class(tmp_path: Path) -> None:
    """A manifest whose task was changed by hand, or is missing, is noticed by the sum."""
    folder = write_bundle(tmp_path, task=Task.MULTILABEL)
    images = read_bundle(folder).manifest.golden.images
    (folder / "golden/probabilities.json").write_text(json.dumps({path: [0.9, 0.8, 0.1] for path in images}))
    assert len(list(read_bundle(folder).golden())) == 3
    change_manifest(folder, task="single")
    with pytest.raises(BundleError, match=r"golden/probabilities.json: the probabilities of golden/\w+.png sum to 1.8"):
        list(read_bundle(folder).golden())


@pytest.mark.parametrize(
    "text",
    ["[]", "{", "\udcff", "[" * 100_000, '{"golden/red.png": [1, 0, "x"]}', '{"golden/red.png": {}}', "null"],
    ids=["list", "cut", "not UTF-8", "deep", "letters", "object", "null"],
)
def test_golden_rows_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    """Whatever stands there, the file is named."""
    bundle = read_bundle(write_bundle(tmp_path))
    (bundle.path / "golden/probabilities.json").write_text(text, errors="surrogateescape")
    with pytest.raises(BundleError, match="^golden/probabilities.json"):
        list(bundle.golden())


@pytest.mark.parametrize("width", [1, 2, 4])
def test_probabilities_of_another_length_are_refused(tmp_path: Path, width: int) -> None:
    """A graph that returns another number of probabilities than there are labels is named, whatever they are."""
    bundle = read_bundle(write_bundle(tmp_path))
    with pytest.raises(
        BundleError, match=rf"probabilities of shape \[{width}\] on cpu, and the manifest names 3 labels"
    ):
        bundle.check_golden(lambda _pixels: np.full(width, 1 / width, np.float32), where="cpu")


@pytest.mark.parametrize("coverage", ["90%", "", "0", "1", "1.0", "-0.5", "nan", "inf", "0.99999999999999999999"])
def test_a_coverage_is_a_number_between_0_and_1(tmp_path: Path, coverage: str) -> None:
    """As text, since it is a key; the service turns it into a number."""
    folder = write_bundle(tmp_path)
    set_thresholds(folder, {coverage: 0.5})
    with pytest.raises(BundleError, match="calibration.prediction_sets.thresholds"):
        read_bundle(folder)


def test_a_coverage_stands_there_once(tmp_path: Path) -> None:
    """However it is written."""
    folder = write_bundle(tmp_path)
    set_thresholds(folder, {"0.9": 0.5, "0.90": 0.6})
    with pytest.raises(BundleError, match="same coverage"):
        read_bundle(folder)


def test_thresholds_are_in_order(tmp_path: Path) -> None:
    """Smallest coverage first, as numbers."""
    folder = write_bundle(tmp_path)
    set_thresholds(folder, {"0.95": 0.9, "0.5": 0.4})
    sets = read_bundle(folder).manifest.calibration.prediction_sets
    assert sets is not None
    assert list(sets.threshold_of.items()) == [(0.5, 0.4), (0.95, 0.9)]


def set_thresholds(folder: Path, thresholds: dict[str, float]) -> None:
    calibration = json.loads((folder / MANIFEST).read_text())["calibration"]
    calibration["prediction_sets"]["thresholds"] = thresholds
    change_manifest(folder, calibration=calibration)


@pytest.mark.parametrize(("link", "target"), [("colours/3", "1"), ("shades", "colours")])
def test_a_link_does_not_make_a_second_bundle(tmp_path: Path, link: str, target: str) -> None:
    """The manifest's name and version are those of the path as it is written."""
    write_bundle(tmp_path)
    (tmp_path / link).symlink_to(target)
    with pytest.raises(BundleError, match="is of colours/1, not of the folder"):
        read_bundle(tmp_path / link / ("" if link == "colours/3" else "1"))


def test_a_version_may_be_a_link_of_its_own_name(tmp_path: Path) -> None:
    """As on volumes that swap a whole folder behind a link."""
    write_bundle(tmp_path / "store")
    (tmp_path / "colours").mkdir()
    (tmp_path / "colours/1").symlink_to("../store/colours/1")
    assert read_bundle(tmp_path / "colours/1").manifest.version == 1


@pytest.mark.parametrize("path", [".", "../1", "../../colours/1/", "golden/.."])
def test_a_relative_path_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """From inside the bundle, too."""
    monkeypatch.chdir(write_bundle(tmp_path))
    assert read_bundle(Path(path)).manifest.name == "colours"


def test_bundles_are_found_by_number(tmp_path: Path) -> None:
    """Version 10 comes after version 9, and what is no version is left alone."""
    for version in (10, 9):
        write_bundle(tmp_path, "colours", version)
    write_bundle(tmp_path, "colours", 11).rename(tmp_path / "colours" / "draft")
    assert [path.name for path in find_bundles(tmp_path)] == ["9", "10"]


def test_a_manifest_that_is_a_named_pipe_is_refused_at_once(tmp_path: Path) -> None:
    """Opening it would wait for a writer."""
    folder = write_bundle(tmp_path)
    (folder / MANIFEST).unlink()
    os.mkfifo(folder / MANIFEST)
    with pytest.raises(BundleError, match="no regular file"):
        read_bundle(folder)


@pytest.mark.parametrize("target", ["/dev/zero", "."])
def test_a_manifest_that_leads_to_no_regular_file_is_refused(tmp_path: Path, target: str) -> None:
    """A device, or a folder."""
    folder = write_bundle(tmp_path)
    (folder / MANIFEST).unlink()
    (folder / MANIFEST).symlink_to(target)
    with pytest.raises(BundleError, match=r"no regular file|Is a directory"):
        read_bundle(folder)


def test_a_bundle_of_links_into_a_store_is_read(tmp_path: Path) -> None:
    """The manifest too; each other file is followed because the manifest has its hash."""
    folder = write_bundle(tmp_path)
    store = tmp_path / "store"
    store.mkdir()
    for number, path in enumerate(path for path in sorted(folder.rglob("*")) if path.is_file()):
        path.rename(store / str(number))
        path.symlink_to(store / str(number))
    read_bundle(folder).check_files()


def test_a_listed_file_that_is_a_named_pipe_is_refused(tmp_path: Path) -> None:
    """As one that is not there."""
    bundle = read_bundle(write_bundle(tmp_path))
    (bundle.path / "model.onnx").unlink()
    os.mkfifo(bundle.path / "model.onnx")
    with pytest.raises(BundleError, match="model.onnx is missing"):
        bundle.check_files()


def test_the_hash_of_the_manifest_stands_for_the_whole_bundle(tmp_path: Path) -> None:
    """Another manifest, another hash."""
    folder = write_bundle(tmp_path)
    before = read_bundle(folder).sha256
    assert before == sha256_of(folder / MANIFEST)
    change_manifest(folder, description="changed")
    assert read_bundle(folder).sha256 != before


def test_only_bundles_with_a_readable_manifest_are_yielded(tmp_path: Path) -> None:
    """A bundle whose manifest is damaged is passed over, and the others come in their order."""
    for version in (1, 2, 3):
        write_bundle(tmp_path, "colours", version)
    (tmp_path / "colours/2" / MANIFEST).write_text("{")
    assert [bundle.manifest.version for bundle in readable_bundles(tmp_path)] == [1, 3]


@pytest.mark.parametrize(
    ("task", "calibration", "reason"),
    [
        ("multilabel", {"thresholds": [0.5]}, "one threshold for each label"),
        ("multilabel", {"thresholds": [0.5, 0.5, 1.5]}, "thresholds"),
        ("single", {"thresholds": [0.5, 0.5, 0.5]}, "are for the task multilabel"),
        ("multilabel", {"prediction_sets": SETS}, "need the task single"),
        (
            "multilabel",
            {"energy": {"threshold": 0, "true_positive_rate": 0.95, "fitted_on": "made", "images": 20}},
            "need the task single",
        ),
    ],
)
def test_a_calibration_belongs_to_its_task(
    tmp_path: Path, task: str, calibration: dict[str, object], reason: str
) -> None:
    """Thresholds of classes are for sigmoids, prediction sets and energy for a softmax."""
    folder = write_bundle(tmp_path)
    known = json.loads((folder / MANIFEST).read_text())["calibration"]
    change_manifest(folder, task=task, calibration=known | {"prediction_sets": None} | calibration)
    with pytest.raises(BundleError, match=reason):
        read_bundle(folder)


def test_a_bundle_of_version_1_is_read_as_it_is(tmp_path: Path) -> None:
    """What version 2 added has the meaning that version 1 had."""
    folder = write_bundle(tmp_path)
    change_manifest(folder, schema_version=1)
    manifest = read_bundle(folder).manifest
    assert (manifest.schema_version, manifest.task, manifest.max_batch) == (1, Task.SINGLE, None)


def test_the_bits_in_use_are_written_where_they_are_not_sixteen(tmp_path: Path) -> None:
    """So that other manifests, and answers about them, stay as they were."""
    folder = write_bundle(tmp_path)
    manifest = read_bundle(folder).manifest
    assert manifest.preprocessing.bits == 16
    assert "bits" not in manifest.preprocessing.model_dump(mode="json")
    change_manifest(folder, preprocessing={"bits": 12})
    twelve = read_bundle(folder).manifest.preprocessing
    assert (twelve.bits, twelve.model_dump(mode="json")["bits"]) == (12, 12)


def test_two_classes_may_have_one_label(tmp_path: Path) -> None:
    """Their ids tell them apart."""
    folder = write_bundle(tmp_path)
    change_manifest(folder, labels=["crane", "crane", "blue"])
    assert read_bundle(folder).manifest.labels == ("crane", "crane", "blue")


def test_a_class_without_a_threshold_is_present_from_a_half_on(tmp_path: Path) -> None:
    """Of the task multilabel; the task single has no thresholds."""
    assert read_bundle(write_bundle(tmp_path, "one")).manifest.thresholds == ()
    plain = read_bundle(write_bundle(tmp_path, "plain", task=Task.MULTILABEL)).manifest
    fitted = read_bundle(write_bundle(tmp_path, "fitted", task=Task.MULTILABEL, thresholds=(0.2, 0.5, 0.7))).manifest
    assert (plain.thresholds, fitted.thresholds) == ((0.5, 0.5, 0.5), (0.2, 0.5, 0.7))


@pytest.mark.parametrize("precision", Precision)
def test_the_energy_threshold_holds_for_variants_that_round_numbers(tmp_path: Path, precision: Precision) -> None:
    """A pruned variant is trained anew, so that the level of its logits is its own."""
    expected = None if precision is Precision.PRUNED else -8
    assert read_bundle(write_bundle(tmp_path, energy_threshold=-8)).manifest.energy_threshold(precision) == expected
    assert read_bundle(write_bundle(tmp_path, "without")).manifest.energy_threshold(precision) is None


def test_folders_that_are_passed_over_are_named(tmp_path: Path) -> None:
    """With what to change; hidden ones and bundles that are found are not among them."""
    write_bundle(tmp_path)
    for name in ("colours/v2", "empty", "lonely/1", ".git", "__pycache__"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / MANIFEST).write_text("{}")
    (tmp_path / "model.onnx").write_bytes(b"")
    assert passed_over(tmp_path) == {
        "colours/v2": "is no version: the name of its folder is not a number such as 1",
        "empty": "holds no version: a bundle is a folder such as empty/1",
        "flat": f"holds {MANIFEST} itself: a bundle is a folder below it, such as flat/1",
        "lonely/1": f"has no {MANIFEST} that can be read",
        "model.onnx": "is an ONNX file, not a bundle: make one with snellen import",
    }


def test_a_folder_that_cannot_be_listed_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor may what is in it be looked at. Root may do both, so the errors are raised here."""
    closed = tmp_path / "closed"
    closed.mkdir()
    listed = Path.iterdir

    def iterdir(path: Path) -> Iterator[Path]:
        if path == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return listed(path)

    stat = os.stat

    def stat_outside(path: str | Path, **options: Any) -> os.stat_result:
        if isinstance(path, Path) and closed in path.parents:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return stat(path, **options)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    monkeypatch.setattr(os, "stat", stat_outside)
    assert passed_over(tmp_path) == {"closed": "cannot be listed: Permission denied"}
