"""`snellen import` of ONNX files, as a command in the environment of the service."""

from pathlib import Path

import pytest

from tests.snellen.command import snellen
from tests.support.onnx_files import CUSTOM_OPERATOR, DETECTOR, NCHW_ANY_SIZE, NCHW_LOGITS, write_labels, write_onnx


def test_each_guess_is_printed_with_its_reason(tmp_path: Path) -> None:
    """One line each, then the difference from the file and the folder of the bundle."""
    file, labels = write_onnx(tmp_path / "model.onnx", NCHW_LOGITS), write_labels(tmp_path)
    done = snellen("import", file, "--name", "flowers", "--labels", labels, "--models", tmp_path / "models")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [
        *("labels", "input", "layout", "size", "colour", "scaling", "resize", "output", "scores", "map"),
        *("equality", "wrote"),
    ]
    assert "assumed, since an ONNX file does not say it" in done.stdout
    assert lines[-1] == f"wrote {tmp_path / 'models' / 'flowers' / '1'}"


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
        (NCHW_LOGITS, ("--name", "a", "--weights", "w.pth"), "--weights is for timm models"),
        (NCHW_LOGITS, ("--name", "a"), "does not name its 3 classes"),
    ],
    ids=[*("detector", "operator", "size", "no name", "name", "labels", "mean", "crop", "weights", "no labels")],
)
def test_a_refusal_is_one_sentence_and_status_2(
    tmp_path: Path, text: str, options: tuple[str, ...], reason: str
) -> None:
    """Nothing is written."""
    file = write_onnx(tmp_path / "model.onnx", text)
    done = snellen("import", file, "--models", tmp_path / "models", *options)
    assert (done.returncode, reason in done.stderr, done.stderr.count("\n")) == (2, True, 1), done.stderr
    assert not (tmp_path / "models").exists()


def test_options_of_onnx_files_are_refused_for_other_sources() -> None:
    """They would have no effect."""
    done = snellen("import", "timm/resnet18", "--preset", "unit")
    assert (done.returncode, "--preset is for ONNX files" in done.stderr) == (2, True), done.stderr
