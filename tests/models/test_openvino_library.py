"""OpenVINO is loaded when it is needed, reports to nobody, and computes in the numbers that were asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

from models.contract import Precision, openvino_library
from models.openvino_library import compile_settings, computes, core, installed, other_numbers, release
from tests.support.libraries import needs_openvino

FASHION = Path("models/fashion-mnist/3/model.onnx")
_LOADED = "import sys; print(*sorted({'openvino', 'openvino_telemetry'} & {n for n, m in sys.modules.items() if m}))"


def loaded_after(code: str) -> list[str]:
    """Return which of OpenVINO and its telemetry a new process has imported after the code."""
    done = subprocess.run([sys.executable, "-c", f"{code}\n{_LOADED}"], capture_output=True, text=True, check=True)
    return done.stdout.split()


@needs_openvino
def test_openvino_is_loaded_without_its_telemetry() -> None:
    """The part of the library that sends telemetry as it is imported is never imported."""
    assert loaded_after("from models.contract import openvino_library; openvino_library.core()") == ["openvino"]


def test_openvino_is_not_loaded_before_it_is_needed() -> None:
    """It takes 40 MiB, in processes that may use onnxruntime only."""
    code = "import service.engine.engines as e; e.every_provider(); e.runtime_of('openvino')"
    assert loaded_after(f"{code}; import training.evaluation.graph") == []


def test_the_version_is_known_where_it_is_installed() -> None:
    """A stored profile or compiled model is valid for one version."""
    assert (release() is not None) == installed()


def test_float32_needs_no_special_processor() -> None:
    """Nor do weights in int8; only bfloat16 asks for instructions."""
    assert all(computes(precision) for precision in Precision if precision is not Precision.BF16)


def test_a_processor_without_instructions_does_not_compute_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO claims bfloat16 for more processors; it is not asked, and need not be installed."""
    monkeypatch.setattr(openvino_library, "has_bfloat16", lambda: False)
    assert not computes(Precision.BF16)


@needs_openvino
def test_a_model_computes_in_the_numbers_of_its_settings() -> None:
    """They are read from the compiled model; its answers would hardly show the difference."""
    compiled = core().compile_model(core().read_model(FASHION), "CPU", compile_settings(Precision.FP32))
    assert other_numbers(compiled, Precision.FP32) is None
    assert other_numbers(compiled, Precision.INT8) is None
    assert other_numbers(compiled, Precision.BF16) == "f32 instead of bf16"
