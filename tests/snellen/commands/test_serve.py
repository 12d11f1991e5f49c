"""`snellen serve FILE.onnx`, as a command that is refused; what it serves is tried in tests/e2e."""

from pathlib import Path

import pytest
import typer

from snellen.served_file import arguments_for_file
from tests.snellen.command import snellen
from tests.support.onnx_files import DETECTOR, NCHW_LOGITS, write_labels, write_onnx


@pytest.mark.parametrize(
    ("text", "options", "reason"),
    [
        (DETECTOR, (), "is no image classifier"),
        (NCHW_LOGITS, (), "does not name its 3 classes"),
        (NCHW_LOGITS, ("--labels", "none.txt"), "none.txt cannot be read"),
        (NCHW_LOGITS, ("--crop-fraction", "2"), "--crop-fraction is above 0 and at most 1"),
        (NCHW_LOGITS, ("--models", "models"), "--models is not for serving an ONNX file"),
        (NCHW_LOGITS, ("--check", "photo.jpg"), "--check is not for serving an ONNX file"),
        (NCHW_LOGITS, ("--try",), "--try is not for serving an ONNX file"),
        (NCHW_LOGITS, ("--golden", "photos"), "--golden is not for serving an ONNX file"),
        (NCHW_LOGITS, ("other.onnx",), "serve takes one ONNX file, not 2"),
    ],
    ids=["detector", "no labels", "labels", "crop", "models", "check", "try", "golden", "two"],
)
def test_a_refusal_is_one_sentence_and_status_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str,
    options: tuple[str, ...],
    reason: str,
) -> None:
    """No bundle is made."""
    file = write_onnx(tmp_path / "model.onnx", text)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(typer.Exit) as ended:
        arguments_for_file([str(file), *options])
    said = capsys.readouterr().err
    assert (ended.value.exit_code, reason in said, said.count("\n")) == (2, True, 1), said
    assert list((tmp_path / "cache").rglob("manifest.json")) == []


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """With the variable that names another one."""
    file, labels = write_onnx(tmp_path / "model.onnx", NCHW_LOGITS), write_labels(tmp_path)
    done = snellen("serve", file, "--labels", labels, XDG_CACHE_HOME=str(labels))
    assert (done.returncode, "set XDG_CACHE_HOME to another folder" in done.stderr) == (2, True), done.stderr


def test_the_help_says_that_files_can_be_served() -> None:
    """Before the settings."""
    done = snellen("serve", "--help")
    assert (done.returncode, "snellen serve FILE.onnx" in done.stdout, "--port" in done.stdout) == (0, True, True)
