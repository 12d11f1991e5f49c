"""OpenVINO is loaded when it is needed, and reports to nobody."""

import subprocess
import sys

from models.contract import Precision
from service.engine.openvino_library import computes, installed, runtime
from tests.support.libraries import needs_openvino

_LOADED = "import sys; print(*sorted({'openvino', 'openvino_telemetry'} & {n for n, m in sys.modules.items() if m}))"


def loaded_after(code: str) -> list[str]:
    """Return which of OpenVINO and its telemetry a new process has imported after the code."""
    done = subprocess.run([sys.executable, "-c", f"{code}\n{_LOADED}"], capture_output=True, text=True, check=True)
    return done.stdout.split()


@needs_openvino
def test_openvino_is_loaded_without_its_telemetry() -> None:
    """The part of the library that sends telemetry as it is imported is never imported."""
    assert loaded_after("from service.engine.openvino_library import core; core()") == ["openvino"]


def test_openvino_is_not_loaded_before_it_is_needed() -> None:
    """It takes 40 MiB, in processes that may use onnxruntime only."""
    code = "import service.engine.engines as e; e.every_provider(); e.runtime_of('openvino')"
    assert loaded_after(code) == []


def test_the_version_is_part_of_the_name() -> None:
    """A stored profile or compiled model is valid for one version."""
    assert runtime().startswith("openvino ") == installed()


def test_float32_needs_no_special_processor() -> None:
    """Nor do weights in int8; only bfloat16 asks for instructions."""
    assert all(computes(precision) for precision in Precision if precision is not Precision.BF16)
