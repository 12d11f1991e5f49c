"""What the processor can compute."""

from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")
_NATIVE_BF16 = frozenset({"amx_bf16", "avx512_bf16", "bf16"})
"""Names that Linux gives processors with instructions for bfloat16: AMX and AVX-512, and those of Arm."""


def has_bfloat16(cpu_info: Path = _CPU_INFO) -> bool:
    """Return whether the processor has instructions for bfloat16; False on other systems than Linux."""
    try:
        lines = cpu_info.read_text(errors="replace").splitlines()
    except OSError:
        return False
    flags = [line.partition(":")[2] for line in lines if line.startswith(("flags", "Features"))]
    return not _NATIVE_BF16.isdisjoint(" ".join(flags).split())
