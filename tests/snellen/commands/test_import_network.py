"""`snellen import` of ONNX files, as a command in the environment of the service."""

import shlex
from pathlib import Path

import pytest

from tests.snellen.command import in_process, snellen
from tests.support.onnx_files import (
    CUSTOM_OPERATOR,
    DETECTOR,
    LABELS,
    NCHW_ANY_SIZE,
    NCHW_LOGITS,
    SIGMOID,
    ULTRALYTICS,
    write_labels,
    write_onnx,
)
from training.importing.golden_photos import shipped_photos


def test_each_guess_is_printed_with_its_reason(tmp_path: Path) -> None:
    """One line each, then the difference from the file and the folder of the bundle."""
    file, labels = write_onnx(tmp_path / "model.onnx", NCHW_LOGITS), write_labels(tmp_path)
    done = snellen("import", file, "--name", "flowers", "--labels", labels, "--models", tmp_path / "models")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [
        *("labels", "input", "layout", "size", "colour", "scaling", "resize", "output", "scores", "task", "map"),
        *("equality", "wrote", "serve"),
    ]
    assert "assumed, since an ONNX file does not say it" in done.stdout
    assert lines[-2] == f"wrote {tmp_path / 'models' / 'flowers' / '1'}"
    assert lines[-1].endswith(f"serve --models {tmp_path / 'models'} --default-model flowers")


def test_an_import_takes_the_next_free_version(tmp_path: Path) -> None:
    """An explicit one that exists is refused, and the bundle in it stays."""
    file, labels = write_onnx(tmp_path / "model.onnx", NCHW_LOGITS), write_labels(tmp_path)
    command = ("import", file, "--name", "flowers", "--labels", labels, "--models", tmp_path / "models")
    assert [in_process(*command).returncode for _ in range(2)] == [0, 0]
    refused = in_process(*command, "--version", "1")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "flowers/1 exists: leave out --version to write 3" in refused.stderr
    unclear = in_process(*command, "--overwrite")
    assert (unclear.returncode, unclear.stderr) == (
        2,
        "snellen: --overwrite replaces a version: say which one with --version\n",
    )
    assert sorted(path.name for path in (tmp_path / "models" / "flowers").iterdir()) == ["1", "2"]


@pytest.mark.parametrize(
    ("text", "options", "reason"),
    [
        (DETECTOR, ("--name", "a"), "is no image classifier"),
        (CUSTOM_OPERATOR, ("--name", "a"), "operators of the domain 'my.company'"),
        (NCHW_ANY_SIZE, ("--name", "a"), "give it in pixels with --size"),
        (NCHW_LOGITS, (), "give it a name with --name"),
        (NCHW_LOGITS, ("--name", "../a"), "'../a' is no name of a model"),
        (NCHW_LOGITS, ("--name", "a", "--labels", "none.txt"), "none.txt cannot be read"),
        (NCHW_LOGITS, ("--name", "a", "--mean", "x", "--std", "1"), "--mean is one number"),
        (NCHW_LOGITS, ("--name", "a", "--crop-fraction", "0"), "--crop-fraction is above 0 and at most 1"),
        (NCHW_LOGITS, ("--name", "a", "--weights", "w.pth"), "--weights is for timm and torchvision"),
        (NCHW_LOGITS, ("--name", "a"), "does not name its 3 classes"),
        (SIGMOID, ("--name", "a", "--task", "single"), "as those of sigmoids do"),
        (ULTRALYTICS, ("--name", "a", "--task", "multilabel"), "as those of a softmax do"),
        (ULTRALYTICS, ("--name", "a", "--golden", "nowhere"), "nowhere is no folder: give --golden a folder"),
        (ULTRALYTICS, ("--try",), "give it one with --check"),
        (ULTRALYTICS, ("--try", "--check", "none.jpg", "--preset", "raw"), "leave out --preset"),
        (ULTRALYTICS, ("--name", "a", "--check", "none.jpg"), "none.jpg cannot be used for --check"),
    ],
    ids=[
        *("detector", "operator", "size", "no name", "name", "labels", "mean", "crop", "weights", "no labels"),
        *("sigmoids", "softmax", "golden", "try without a photo", "try with a preset", "photo"),
    ],
)
def test_a_refusal_is_one_sentence_and_status_2(
    tmp_path: Path, text: str, options: tuple[str, ...], reason: str
) -> None:
    """Nothing is written."""
    file = write_onnx(tmp_path / "model.onnx", text)
    done = in_process("import", file, "--models", tmp_path / "models", *options)
    assert (done.returncode, reason in done.stderr, done.stderr.count("\n")) == (2, True, 1), done.stderr
    assert not (tmp_path / "models").exists()


def test_presets_are_tried_side_by_side(tmp_path: Path) -> None:
    """A row for each, nothing is written, and the last line is the command to type next, which works."""
    file, photo = write_onnx(tmp_path / "My Model.onnx", NCHW_LOGITS), tmp_path / "photo.jpg"
    photo.write_bytes(shipped_photos()[0].encoded)
    models = tmp_path / "models"
    options = ("--labels", write_labels(tmp_path), "--check", photo, "--models", models)
    done = snellen("import", file, "--try", *options)
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.stdout.splitlines() if "│" in line]
    assert {row[0] for row in rows} == {"imagenet, default", "imagenet", "inception", "unit", "raw", "caffe"}
    assert all({cell.split()[1] for cell in row[2:]} == set(LABELS) for row in rows)
    assert not models.exists()
    command = shlex.split(done.stdout.splitlines()[-1])
    assert command[-4:] == ["--name", "my-model", "--preset", "imagenet"]
    made = snellen(*command[1:])
    assert made.returncode == 0, made.stderr
    checked = [line.split()[1:] for line in made.stdout.splitlines() if line.startswith("check")]
    assert checked == [cell.split() for cell in next(row for row in rows if row[0] == "imagenet, default")[2:]]


def test_options_of_onnx_files_are_refused_for_other_sources() -> None:
    """They would have no effect."""
    done = in_process("import", "timm/resnet18", "--scores", "logits")
    assert (done.returncode, "--scores is for ONNX files" in done.stderr) == (2, True), done.stderr
    done = in_process("import", "efficientnet-lite0", "--preset", "unit")
    assert (done.returncode, "--preset is for ONNX files" in done.stderr) == (2, True), done.stderr


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    """A checkpoint of PyTorch, for example; the sentence does not ask for PyTorch to be installed."""
    (tmp_path / "flowers.pt").write_bytes(b"PK")
    done = snellen("import", tmp_path / "flowers.pt", "--name", "flowers")
    assert (done.returncode, "flowers.pt is no ONNX file" in done.stderr) == (2, True), done.stderr
    assert done.stderr.count("\n") == 1
