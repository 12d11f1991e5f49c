"""Files that are taken for checkpoints."""

import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from training.errors import TrainingError
from training.pretrained.checkpoint_file import read_checkpoint


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty: copy or download it again"),
        (b"\n<!DOCTYPE html><html>404</html>", "it is a web page.*download the file again"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "pointer of Git LFS: run git lfs pull"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes it: export an ONNX file"),
        (b"\x1f\x8b\x08", "compressed with gzip: unpack it"),
        (b"PK\x03\x04 cut", "cut off or damaged: copy or download it again"),
        (b"\x00" * 40, "damaged, or no file of torch.save or safetensors"),
        (b"\x08\x00\x00\x00\x00\x00\x00\x00{nonsense", "damaged, or no file of torch.save or safetensors"),
    ],
    ids=["empty", "web page", "lfs", "keras", "gzip", "cut", "zeros", "json"],
)
def test_what_it_is_is_said(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    """And what to do, whatever it is called; never PyTorch's own advice, which is to run the file."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TrainingError, match=message) as refusal:
        read_checkpoint(tmp_path / name)
    assert "weights_only" not in str(refusal.value)


def test_a_zip_file_of_something_else_is_refused(tmp_path: Path) -> None:
    """Such as an archive with a checkpoint in it."""
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("inside.pth", b"1")
    with pytest.raises(TrainingError, match="a zip file that torch.save did not write: unpack it"):
        read_checkpoint(tmp_path / "a.pth")


def test_a_torchscript_program_is_refused(tmp_path: Path) -> None:
    """It is code. The archive is that of torch.jit.save, as far as it is looked at."""
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        for name in ("data.pkl", "constants.pkl", "version"):
            archive.writestr(f"a/{name}", b"1")
    with pytest.raises(TrainingError, match="a TorchScript program: export an ONNX file"):
        read_checkpoint(tmp_path / "a.pt")


def test_a_plain_pickle_is_refused(tmp_path: Path) -> None:
    """Without loading it."""
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"model": torch.nn.Linear(1, 1)}))
    with pytest.raises(TrainingError, match="a pickle of another program, which is never loaded.*save model"):
        read_checkpoint(tmp_path / "a.pkl")
