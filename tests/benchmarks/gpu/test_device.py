"""nvidia-smi's output, in the format of its manual and of logs that others published; no value here was measured."""

import os
from pathlib import Path

import pytest

from benchmarks.gpu.device import Watch, parse_device, parse_sample, query, used

FAKE = """#!/bin/sh
trap 'exit 0' TERM
while true; do echo "70 %, 1024 MiB, 300.00 W"; sleep 0.02; done
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("70 %, 1024 MiB, 300.50 W", (70.0, 1024.0, 300.5)),
        ("70, 1024, 300.50", (70.0, 1024.0, 300.5)),
        ("[N/A], 1024 MiB, [Not Supported]", (None, 1024.0, None)),
        ("[Unknown Error], 0 MiB, ", (None, 0.0, None)),
    ],
)
def test_a_line_of_samples(line: str, expected: tuple[float | None, ...]) -> None:
    """With or without units; what a device does not tell is nothing, not zero."""
    assert parse_sample(line) == expected


def test_mean_and_highest_of_samples() -> None:
    """Over what was told; a line that was cut off at the end does not count."""
    use = used(["10 %, 100 MiB, [N/A]", "30 %, 300 MiB, [N/A]", "50 %, 5"])
    assert (use.samples, use.gpu_mean_percent, use.gpu_max_percent) == (2, 20, 30)
    assert (use.memory_mean_mib, use.memory_max_mib) == (200, 300)
    assert use.power_mean_w is None


def test_no_samples_are_no_zeros() -> None:
    """A load shorter than the interval says nothing."""
    assert used([]).model_dump(exclude_none=True) == {"samples": 0}


def test_what_the_device_is() -> None:
    """Name, driver, memory."""
    device = parse_device("NVIDIA A10G, 545.23.08, 23028 MiB\n")
    assert (device.name, device.driver, device.memory) == ("NVIDIA A10G", "545.23.08", "23028 MiB")


def test_another_output_is_an_error() -> None:
    """Such as that there is no device."""
    with pytest.raises(ValueError, match="unpack"):
        parse_device("No devices were found")


@pytest.mark.parametrize(("visible", "first"), [("", "0"), ("2,3", "2"), ("GPU-abc", "GPU-abc")])
def test_the_first_visible_device_is_asked(monkeypatch: pytest.MonkeyPatch, visible: str, first: str) -> None:
    """As the service uses it."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    command = query(["utilization.gpu", "power.draw"])
    assert f"--id={first}" in command
    assert "--query-gpu=utilization.gpu,power.draw" in command


def test_watching_ends_with_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that prints for ever, as nvidia-smi does with --loop-ms."""
    program = tmp_path / "nvidia-smi"
    program.write_text(FAKE)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with Watch() as watch:
        assert watch._process is not None
        assert watch._process.stdout is not None
        assert watch._process.stdout.readline()  # it has begun
    assert watch._process.returncode is not None
    assert watch.use.gpu_mean_percent in {None, 70.0}


def test_without_nvidia_smi_there_are_no_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no error."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with Watch() as watch:
        pass
    assert watch.use.samples == 0
