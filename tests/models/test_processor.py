"""What the processor can compute, by the names that Linux gives."""

from pathlib import Path

import pytest

from models.processor import has_bfloat16


@pytest.mark.parametrize(
    ("text", "native"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16\n", True),
        ("flags\t\t: fpu amx_bf16 amx_tile\n", True),
        ("Features\t: fp asimd bf16\n", True),
        ("flags\t\t: fpu avx512f\nmodel name\t: bf16\n", False),
        ("", False),
    ],
    ids=["AVX-512", "AMX", "Arm", "without", "empty"],
)
def test_instructions_for_bfloat16_are_found(tmp_path: Path, text: str, native: bool) -> None:
    """Only in the list of features."""
    (tmp_path / "cpuinfo").write_text(text)
    assert has_bfloat16(tmp_path / "cpuinfo") == native


def test_a_system_without_that_file_has_none(tmp_path: Path) -> None:
    """As far as is known."""
    assert not has_bfloat16(tmp_path / "none")
