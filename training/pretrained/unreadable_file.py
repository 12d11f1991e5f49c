"""Why a file cannot be read as a checkpoint, from its first bytes, and what to do about it."""

import re
import zipfile
from collections.abc import Collection
from pathlib import Path

import torch

_SAVE = "save model.state_dict() with torch.save"
_BEGINNING = 512
"""Bytes that tell what a file is."""
_KINDS = (
    (b"version https://git-lfs", "it is a pointer of Git LFS: run git lfs pull, or download the file itself"),
    (b"<", "it is a web page, such as the answer to a wrong address: download the file again"),
    (b"\x89HDF", f"it is an HDF5 file, as Keras writes it: export an ONNX file, or {_SAVE}"),
    (b"\x1f\x8b", "it is compressed with gzip: unpack it"),
)
"""Beginnings of files that are taken for checkpoints."""
_CLASS = re.compile(r"GLOBAL ([\w.]+\w)")
"""A class in PyTorch's message on what it does not load."""
_SHOWN = 3


def why_unreadable(path: Path, error: Exception, known: Collection[str]) -> str:
    """Return a clause on what is wrong with the file and what to do.

    error: what its reader raised; known: classes, such as `argparse.Namespace`, that are not the reason. Nothing in the
    file runs.
    """
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING)
    if not beginning:
        return "it is empty: copy or download it again"
    for start, reason in _KINDS:
        if beginning.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(start):
            return reason
    if names := sorted(_foreign_classes(path, error) - set(known)):
        shown = ", ".join(names[:_SHOWN])
        return f"it holds Python objects ({shown}), which are never loaded, since they can run code: {_SAVE}"
    if beginning.startswith(b"PK"):
        return _why_archive(path)
    if beginning.startswith(b"\x80"):
        return f"it is damaged, or a pickle of another program, which is never loaded, since it can run code: {_SAVE}"
    return f"it is damaged, or no file of torch.save or safetensors: copy or download it again, or {_SAVE}"


def _why_archive(path: Path) -> str:
    """Return why a zip file, which torch.save writes, cannot be read."""
    try:
        names = zipfile.ZipFile(path).namelist()
    except (zipfile.BadZipFile, OSError):
        return "it is cut off or damaged: copy or download it again"
    if any(name.endswith("constants.pkl") for name in names):
        return f"it is a TorchScript program: export an ONNX file, or {_SAVE}"
    if not any(name.endswith("data.pkl") for name in names):
        return f"it is a zip file that torch.save did not write: unpack it, or {_SAVE}"
    return f"it is damaged: copy or download it again, or {_SAVE}"


def _foreign_classes(path: Path, error: Exception) -> set[str]:
    """Return the classes and functions in a file that are no numbers, by their full names."""
    try:
        return set(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # the file is damaged, or of the format before zip files
        return set(_CLASS.findall(str(error)))
