"""A bundle is read whole or refused with the reason."""

import json
from pathlib import Path

import pytest

from models.contract import MANIFEST, BundleError, find_bundles, read_bundle
from tests.support.bundles import change_manifest, write_bundle

ROOT = Path(__file__).parents[2]


def test_a_written_bundle_reads_back(tmp_path: Path) -> None:
    """Manifest, hashes and golden rows are all there."""
    bundle = read_bundle(write_bundle(tmp_path))
    bundle.check_files()
    assert [row.argmax() for _, _, row in bundle.golden()] == [0, 1, 2]


@pytest.mark.parametrize("name", ["imagenet", "fashion-mnist"])
def test_the_shipped_bundles_are_whole_and_small(name: str) -> None:
    """Every listed file has its hash, only the card for people lies beside them, all stay under 20 MB."""
    bundle = read_bundle(ROOT / "models" / name / "1")
    bundle.check_files()
    files = {path.relative_to(bundle.path).as_posix() for path in bundle.path.rglob("*") if path.is_file()}
    assert files == {file.path for file in bundle.manifest.files} | {MANIFEST, "MODEL_CARD.md"}
    assert sum((bundle.path / path).stat().st_size for path in files) < 20_000_000


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    """One byte is enough."""
    bundle = read_bundle(write_bundle(tmp_path))
    with (bundle.path / "model.onnx").open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(BundleError, match="model.onnx differs"):
        bundle.check_files()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The message says which."""
    bundle = read_bundle(write_bundle(tmp_path))
    (bundle.path / "golden/red.png").unlink()
    with pytest.raises(BundleError, match="red.png is missing"):
        bundle.check_files()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema_version": 2}, "schema_version"),
        ({"labels": ["a", "a", "b"]}, "share a label"),
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


def test_bundles_are_found_by_number(tmp_path: Path) -> None:
    """Version 10 comes after version 9, and what is no version is left alone."""
    for version in (10, 9):
        write_bundle(tmp_path, "colours", version)
    write_bundle(tmp_path, "colours", 11).rename(tmp_path / "colours" / "draft")
    assert [path.name for path in find_bundles(tmp_path)] == ["9", "10"]
