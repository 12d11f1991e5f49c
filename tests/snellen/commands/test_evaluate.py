"""`snellen evaluate`, as a command in the environment of the service, which has no PyTorch."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from models.contract import Task
from tests.snellen.command import in_process, snellen
from tests.support.bundles import write_bundle
from tests.support.class_folders import FASHION, write_clothes, write_colours, write_multilabel_table


def test_a_shipped_bundle_is_measured_with_its_variants(tmp_path: Path) -> None:
    """Figures of each variant, of each class and of each confusion; what cannot be read is named."""
    photos = write_clothes(tmp_path / "photos", 20)
    (photos / "3" / "notes.txt").write_text("no picture")
    Image.open(photos / "4" / "000.png").save(photos / "4" / "000.avif")
    done = snellen(
        *("evaluate", FASHION, "--data", photos),
        *("--json", tmp_path / "figures.json", "--confusion", tmp_path / "confusion.csv"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        f"skipped {photos / '3' / 'notes.txt'}: not a picture in one of the formats "
        "JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF"
    ]
    assert done.stdout.startswith(f"fashion-mnist/2 on 201 images of {photos}, which must not have been trained on\n")
    assert all(
        text in done.stdout for text in ("top-5", "adaptive ECE", "same as fp32", "Ankle boot", "without decoding")
    )
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert [each["precision"] for each in figures["variants"]] == ["fp32", "fp16", "int8"]
    assert figures["variants"][0]["scores"]["top1"] > 0.5
    assert figures["variants"][2]["agreement"]["same"] > 0.9
    with (tmp_path / "confusion.csv").open() as stream:
        cells = list(csv.DictReader(stream))
    assert sum(int(cell["images"]) for cell in cells) == 201
    right = sum(int(cell["images"]) for cell in cells if cell["true_class_id"] == cell["predicted_class_id"])
    assert right / 201 == pytest.approx(figures["variants"][0]["scores"]["top1"])


def test_variants_can_be_chosen(tmp_path: Path) -> None:
    """fp32 is always there, since the others are compared with it; 10 images say little."""
    done = snellen("evaluate", FASHION, "--data", write_clothes(tmp_path / "photos", 1), "--precision", "int8")
    assert done.returncode == 0, done.stderr
    assert next(line.split() for line in done.stdout.splitlines() if "fp32" in line) == ["fp32", "int8"]
    assert "10 images say little: the accuracy lies between" in done.stdout


def test_a_table_of_several_labels_is_measured_class_by_class(tmp_path: Path) -> None:
    """In the task multilabel."""
    folder = write_bundle(tmp_path / "models", task=Task.MULTILABEL)
    table = write_multilabel_table(tmp_path / "photos", 60)
    done = snellen("evaluate", folder, "--data", table)
    assert done.returncode == 0, done.stderr
    assert all(text in done.stdout for text in ("mean AP", "mean F1", "threshold", "60 images say little: measure on"))
    done = in_process("evaluate", folder, "--data", table, "--confusion", tmp_path / "c.csv")
    assert (done.returncode, "there is no confusion matrix" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--data", "nowhere"), "there are no images at 'nowhere'"),
        (("--data", "photos", "--precision", "bf16"), "'bf16' is no variant of the bundle: fp32"),
        (("--data", "photos", "--json", "none/f.json"), "--json: there is no folder none"),
        (("--data", "photos", "--json", "photos"), "--json: photos is a folder; name a file in it"),
        (("--data", "other"), "'Red' (nearest label: 'red', class_id 0) is no class of the bundle"),
        (("--data", "damaged"), "none of the 1 images of damaged can be read"),
    ],
    ids=["no data", "precision", "folder", "file", "class", "nothing readable"],
)
def test_a_refusal_is_one_sentence_and_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], reason: str
) -> None:
    """It says what to change, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    write_bundle(Path("models"))
    write_colours(Path("photos"), 1)
    shutil.copytree("photos/red", "other/Red")
    Path("damaged/red").mkdir(parents=True)
    Path("damaged/red/a.png").write_text("no picture")
    before = sorted(Path().rglob("*"))
    done = in_process("evaluate", "models/colours/1", *options)
    assert (done.returncode, reason in done.stderr, done.stderr.count("\n")) == (2, True, 1), done.stderr
    assert sorted(Path().rglob("*")) == before


def test_a_changed_bundle_is_refused(tmp_path: Path) -> None:
    """Figures of a damaged file would be of nothing."""
    folder = write_bundle(tmp_path / "models")
    with (folder / "model.onnx").open("ab") as stream:
        stream.write(b"more")
    done = in_process("evaluate", folder, "--data", write_colours(tmp_path / "photos", 1))
    assert (done.returncode, "model.onnx differs from the size and sha256" in done.stderr) == (2, True), done.stderr


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    """With its path."""
    done = snellen("evaluate", tmp_path / "none", "--data", tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"snellen: {tmp_path / 'none'}: manifest.json cannot be read: No such file or directory\n"


def test_a_model_without_its_version_gets_a_hint(tmp_path: Path) -> None:
    """The next command to type."""
    folder = write_bundle(tmp_path / "models")
    done = in_process("evaluate", folder.parent, "--data", tmp_path)
    assert done.returncode == 2
    assert f"is a model: name a version of it, as in {folder}" in done.stderr
