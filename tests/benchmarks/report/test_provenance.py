"""The limits and the machine that a run states."""

import pytest

from benchmarks.report.provenance import memory_limit_mib, no_bf16, versions
from models.contract import Precision, openvino_library
from tests.support.libraries import needs_openvino


def test_the_memory_limit_follows_from_the_settings() -> None:
    """256 MiB of bodies, and 256 images in the queue."""
    assert memory_limit_mib(224 * 224 * 3) == pytest.approx(256 + 256 * 224 * 224 * 3 / 2**20)


@needs_openvino
@pytest.mark.parametrize("native", [False, True])
def test_a_machine_without_bf16_says_why(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the instructions that Linux names; OpenVINO claims bfloat16 for more processors."""
    monkeypatch.setattr(openvino_library, "has_bfloat16", lambda: native)
    offered = openvino_library.computes(Precision.BF16)
    assert no_bf16() == ("" if offered else "this processor has no instructions for bf16")
    assert native or not offered


def test_without_openvino_there_is_no_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason says how to install it."""
    monkeypatch.setattr(openvino_library, "installed", lambda: False)
    assert no_bf16() == openvino_library.NOT_INSTALLED


def test_the_versions_name_what_decodes_and_runs_networks() -> None:
    """wrk is named even where it is missing; packages that are not installed are left out."""
    assert {"python", "onnxruntime", "pillow", "wrk"} <= versions([]).keys()
