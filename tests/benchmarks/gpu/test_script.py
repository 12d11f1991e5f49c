"""gpu.sh where there is no GPU."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "gpu.sh"


def run(*arguments: str, path: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path, **environment},
    )


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A path with what the script needs before it looks for a GPU, and no nvidia-smi."""
    for name in ("bash", "dirname", "grep", "sed", "env", "mkdir"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    return tmp_path


def test_without_a_gpu_it_ends_at_once_with_one_sentence(tools: Path, tmp_path: Path) -> None:
    """Status 3, nothing written."""
    out = tmp_path / "out"
    done = run(path=str(tools), OUT=str(out))
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "there is no NVIDIA GPU here" in done.stderr
    assert not out.exists()


def test_a_driver_without_a_device_is_no_gpu(tools: Path) -> None:
    """nvidia-smi may be installed and list none."""
    (tools / "nvidia-smi").write_text("#!/bin/sh\necho 'No devices were found'\nexit 6\n")
    (tools / "nvidia-smi").chmod(0o755)
    assert run(path=str(tools)).returncode == 3


def test_wrong_arguments_show_the_usage(tools: Path) -> None:
    """Before anything is looked for."""
    done = run("--nonsense", path=str(tools))
    assert done.returncode == 2
    assert "Exit status: 0 all steps passed" in done.stderr
    assert run("--help", path=str(tools)).stdout == done.stderr


@pytest.mark.parametrize("checker", [("bash", "-n"), ("shellcheck",)])
def test_the_script_is_sound(checker: tuple[str, ...]) -> None:
    """As far as a checker sees."""
    if shutil.which(checker[0]) is None:
        pytest.skip(f"{checker[0]} is not installed")
    done = subprocess.run([*checker, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
