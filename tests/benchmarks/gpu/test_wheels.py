"""Wheels that came in parts, and the libraries that came in wheels."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu import libraries, wheels


def test_parts_are_put_together_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """Beside wheels that are whole; as a program, the way gpu.sh runs it."""
    source, target = tmp_path / "from", tmp_path / "to"
    source.mkdir()
    content = bytes(range(256)) * 12
    for number in range(12):
        (source / f"big-1-py3-none-any.whl.{number:02}.part").write_bytes(content[number * 256 : (number + 1) * 256])
    (source / "small-1-py3-none-any.whl").write_bytes(b"small")
    subprocess.run([sys.executable, wheels.__file__, source, target], check=True, cwd=tmp_path)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {
        "big-1-py3-none-any.whl": content,
        "small-1-py3-none-any.whl": b"small",
    }


@pytest.mark.parametrize(
    ("names", "message"),
    [(["a.whl.01.part"], "part 0 is missing"), (["a.whl.0.part", "a.whl.2.part"], "part 1"), (["a.part"], "no part")],
)
def test_what_is_not_complete_is_refused(names: list[str], message: str) -> None:
    """Rather than installed in halves."""
    with pytest.raises(ValueError, match=message):
        wheels.grouped(names)


def test_a_folder_without_wheels_is_refused(tmp_path: Path) -> None:
    """With one line, not a traceback."""
    done = subprocess.run(
        [sys.executable, wheels.__file__, tmp_path, tmp_path / "to"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == f"{tmp_path} holds no wheels\n"


def test_folders_of_libraries_are_found(tmp_path: Path) -> None:
    """NVIDIA's wheels of CUDA 13 share one, cuDNN has its own, and TensorRT is elsewhere."""
    for library in (
        "nvidia/cu13/lib/libcudart.so.13",
        "nvidia/cudnn/lib/libcudnn.so.9",
        "tensorrt_libs/libnvinfer.so.10",
    ):
        (tmp_path / library).parent.mkdir(parents=True)
        (tmp_path / library).touch()
    (tmp_path / "nvidia/empty/lib").mkdir(parents=True)
    found = [folder.relative_to(tmp_path).as_posix() for folder in libraries.folders([str(tmp_path)])]
    assert found == ["nvidia/cu13/lib", "nvidia/cudnn/lib", "tensorrt_libs"]


def test_missing_libraries_are_named_with_their_purpose() -> None:
    """TensorRT may be missing, CUDA may not."""
    found = libraries.missing(lambda name: not name.startswith("libnv"))
    assert found == {"libnvinfer.so.10": "TensorRT", "libnvonnxparser.so.10": "TensorRT"}
    assert libraries.loads("libc.so.6")
    assert not libraries.loads("libnowhere.so.1")
