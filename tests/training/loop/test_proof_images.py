"""The images of a source that judge a bundle."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from models.contract import Colour, Input, Manifest, Preprocessing, read_bundle
from tests.training.conftest import LABELS, SIDE, striped
from training.errors import DatasetError
from training.loop.config import TrainingConfig
from training.loop.proof_images import is_proof, open_proof

SHIPPED = Path(__file__).parents[3] / "models" / "fashion-mnist" / "3"


def class_folders(root: Path, count: int, seed: int) -> Path:
    """Write `count` striped pictures into class folders."""
    for number, (image, label) in enumerate(zip(*striped(count, seed), strict=True)):
        folder = root / LABELS[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{seed}-{number}.png")
    return root


@pytest.fixture
def manifest() -> Manifest:
    """Return a manifest with the classes of the stripes."""
    changes = {
        "labels": LABELS,
        "input": Input(colour=Colour.L, height=SIDE, width=SIDE),
        "preprocessing": Preprocessing(resize="squash"),
    }
    return read_bundle(SHIPPED).manifest.model_copy(update=changes)


@pytest.fixture
def run(tmp_path: Path) -> TrainingConfig:
    """Return the configuration of a run on 80 pictures without parts."""
    return TrainingConfig(name="stripes", data=str(class_folders(tmp_path / "trained", 80, seed=1)))


def test_a_folder_without_parts_judges_as_a_whole(tmp_path: Path, manifest: Manifest, run: TrainingConfig) -> None:
    """Every picture, with the name of its file."""
    folder = class_folders(tmp_path / "new", 40, seed=2)
    assert is_proof(str(folder), run, ignoring_training=False)
    proof = open_proof(str(folder), manifest, run, 1000, 0)
    assert (len(proof.images), proof.remarks, proof.title) == (40, (), f"40 images of {folder}")
    assert {Path(name).parent.parent for name in proof.images.names} == {folder}
    assert proof.images.images.shape == (40, SIDE, SIDE, 1)


def table(path: Path, rows: list[dict[str, str]]) -> Path:
    """Write a table, as text or as Parquet."""
    if path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        separator = "\t" if path.suffix == ".tsv" else ","
        path.write_text("".join(f"{separator.join(row)}\n" for row in ([*rows[0]], *([*r.values()] for r in rows))))
    return path


@pytest.mark.parametrize("name", ["new.csv", "new.tsv", "new.parquet", "NEW.PARQUET"])
@pytest.mark.parametrize("columns", [("path", "label"), ("filename", "class")])
def test_a_table_without_parts_judges_as_a_whole(
    tmp_path: Path, manifest: Manifest, run: TrainingConfig, name: str, columns: tuple[str, str]
) -> None:
    """As a folder does, in whichever format."""
    files = sorted(class_folders(tmp_path / "new", 8, seed=2).rglob("*.png"))
    rows = [dict(zip(columns, (str(path.relative_to(tmp_path)), path.parent.name), strict=True)) for path in files]
    source = str(table(tmp_path / name.lower(), rows).rename(tmp_path / name))
    for ignoring_training in (False, True):
        assert is_proof(source, run, ignoring_training=ignoring_training)
    proof = open_proof(source, manifest, run, 1000, 0)
    assert (len(proof.images), proof.title) == (8, f"8 images of {source}")


def test_of_a_parquet_table_with_parts_the_test_part_judges(tmp_path: Path, manifest: Manifest) -> None:
    """For optimize the others make the variants, so it is no proof alone."""
    files = sorted(class_folders(tmp_path / "new", 8, seed=2).rglob("*.png"))
    rows = [
        {"path": str(path), "label": path.parent.name, "split": "train" if number % 2 else "test"}
        for number, path in enumerate(files)
    ]
    source = str(table(tmp_path / "new.parquet", rows))
    assert not is_proof(source, None, ignoring_training=False)
    assert len(open_proof(source, manifest, None, 1000, 0).images) == 4


def test_images_that_the_run_trained_on_are_recognised_and_named(
    tmp_path: Path, manifest: Manifest, run: TrainingConfig
) -> None:
    """By their bytes, under whatever name; those that chose the epoch or fitted the temperature, too."""
    folder = class_folders(tmp_path / "new", 20, seed=2)
    for path in (tmp_path / "trained").rglob("*.png"):
        shutil.copy(path, folder / path.parent.name / f"copy-{path.name}")
    proof = open_proof(str(folder), manifest, run, 1000, 0)
    assert len(proof.images) == 20
    assert proof.remarks[0].startswith("80 of 100 images are left out, since the run learnt from them: ")
    assert "copy-1-" in proof.remarks[0]


def test_a_folder_of_nothing_but_training_images_is_refused(
    tmp_path: Path, manifest: Manifest, run: TrainingConfig
) -> None:
    """With the sentence that names them."""
    shutil.copytree(run.data, tmp_path / "copied")
    with pytest.raises(DatasetError, match="since the run learnt from them: .*give images that the network never"):
        open_proof(str(tmp_path / "copied"), manifest, run, 1000, 0)


def test_without_a_run_it_is_said_that_nothing_is_recognised(tmp_path: Path, manifest: Manifest) -> None:
    """The images judge all the same."""
    proof = open_proof(str(class_folders(tmp_path / "new", 8, seed=2)), manifest, None, 1000, 0)
    assert "no run is known" in proof.remarks[0]


def test_the_data_of_the_run_are_no_proof(tmp_path: Path, run: TrainingConfig) -> None:
    """Of these the run has held some out; a data set with a test part of its own is none either."""
    assert not is_proof(run.data, run, ignoring_training=True)
    assert not is_proof(f"{run.data}/../trained", run, ignoring_training=True)
    assert not is_proof("digits", run, ignoring_training=True)
    assert not is_proof("nowhere", run, ignoring_training=True)
    for part in ("train", "test"):
        class_folders(tmp_path / "parts" / part, 40, seed=3)
    assert not is_proof(str(tmp_path / "parts"), run, ignoring_training=False)
    assert is_proof(str(tmp_path / "parts"), run, ignoring_training=True)
    shutil.rmtree(tmp_path / "parts" / "train")
    assert is_proof(str(tmp_path / "parts"), run, ignoring_training=False)


def test_files_that_cannot_be_read_are_left_out(tmp_path: Path, manifest: Manifest, run: TrainingConfig) -> None:
    """And named."""
    folder = class_folders(tmp_path / "new", 8, seed=2)
    (folder / LABELS[0] / "cut.png").write_bytes(b"no picture")
    proof = open_proof(str(folder), manifest, run, 1000, 0)
    assert len(proof.images) == 8
    assert proof.remarks[0].startswith("1 images cannot be read; the first is ")


def test_more_images_than_the_limit_are_drawn(tmp_path: Path, manifest: Manifest, run: TrainingConfig) -> None:
    """The same ones for the same seed."""
    folder = str(class_folders(tmp_path / "new", 40, seed=2))
    first, second = (open_proof(folder, manifest, run, 10, 5).images for _ in range(2))
    assert len(first) == 10
    np.testing.assert_array_equal(first.images, second.images)


def test_data_of_the_run_that_are_gone_are_told(tmp_path: Path, manifest: Manifest, run: TrainingConfig) -> None:
    """Its training images would judge it without a word."""
    shutil.move(run.data, tmp_path / "moved")
    proof = open_proof(str(tmp_path / "moved"), manifest, run, 1000, 0)
    assert len(proof.images) == 80
    assert proof.remarks[0].startswith(
        f"the data of the run are no longer at {run.data!r}, so images that it trained on"
    )


def test_images_are_recognised_where_the_data_have_grown_since(
    tmp_path: Path, manifest: Manifest, run: TrainingConfig
) -> None:
    """What was held out then and now differs; the test part of the run may judge."""
    shutil.copytree(run.data, tmp_path / "copied")
    class_folders(Path(run.data), 20, seed=3)
    with pytest.raises(DatasetError, match="80 of 80 images are left out"):
        open_proof(str(tmp_path / "copied"), manifest, run, 1000, 0)
    tested = class_folders(tmp_path / "parts/test", 8, seed=4)
    shutil.copytree(run.data, tmp_path / "parts/train")
    parts = run.model_copy(update={"data": str(tmp_path / "parts")})
    shutil.copytree(tested, tmp_path / "again")
    assert len(open_proof(str(tmp_path / "again"), manifest, parts, 1000, 0).images) == 8
