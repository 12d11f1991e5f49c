"""Find CUDA, cuDNN and TensorRT for onnxruntime: the folders that pip installed, and what is missing.

    python3 libraries.py folders      # for LD_LIBRARY_PATH, of this Python's packages
    python3 libraries.py missing      # by name and purpose; exit status 1 when the driver or CUDA is missing

This file has no dependencies.

The CUDA provider of onnxruntime-gpu 1.31.1 is linked with libcudart, libcublas, libcublasLt (13), libcurand (10), and
loads cuDNN 9 itself; its TensorRT provider is linked with TensorRT 10's libnvinfer and libnvonnxparser, and cuDNN.
"""

import ctypes
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

DRIVER = ("libcuda.so.1",)
CUDA = ("libcudart.so.13", "libcublasLt.so.13", "libcublas.so.13", "libcurand.so.10", "libcudnn.so.9")
TENSORRT = ("libnvinfer.so.10", "libnvonnxparser.so.10")
_FOLDERS = ("nvidia/*/lib", "tensorrt_libs")
"""Folders below site-packages: of NVIDIA's wheels of CUDA and cuDNN, and of TensorRT."""


def folders(site_packages: Iterable[str]) -> list[Path]:
    """Return the folders that hold shared libraries, in the order of `site_packages`."""
    found = [folder for site in site_packages for pattern in _FOLDERS for folder in sorted(Path(site).glob(pattern))]
    return [folder for folder in dict.fromkeys(found) if any(folder.glob("*.so*"))]


def loads(name: str) -> bool:
    """Return whether the dynamic linker finds a library and all that the library needs."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def missing(loads: Callable[[str], bool] = loads) -> dict[str, str]:
    """Return the purpose of each missing library, by name."""
    purposes = {"the driver": DRIVER, "CUDA": CUDA, "TensorRT": TENSORRT}
    return {name: purpose for purpose, names in purposes.items() for name in names if not loads(name)}


def main(what: str) -> int:
    """Print folders or missing libraries; return the exit status."""
    if what == "folders":
        print(":".join(map(str, folders(sys.path))))
        return 0
    found = missing()
    for name, purpose in found.items():
        print(f"{name} is not found; {purpose} needs it")
    return int(any(purpose != "TensorRT" for purpose in found.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
