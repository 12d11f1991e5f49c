"""What the targets of make would run."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
CPU_BUILDS = "https://builds.example/cpu"


def planned(*arguments: str) -> str:
    """The commands that make would run where there is no environment yet."""
    command = ["make", "--dry-run", "VENV=none", "TRAIN=none-train", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_training_says_what_it_takes() -> None:
    """Before anything is downloaded, and how to take less, with the target that was asked for."""
    lines = planned("test-training").splitlines()
    said = next(number for number, line in enumerate(lines) if "about 6 GB" in line)
    assert "make test-training TORCH_INDEX=" in lines[said]
    assert said < next(number for number, line in enumerate(lines) if "requirements/torch.txt" in line)
    assert "--index-url" not in "".join(lines)


def test_training_takes_the_builds_that_are_named() -> None:
    """Only PyTorch's own packages come from there."""
    lines = planned("install-training", f"TORCH_INDEX={CPU_BUILDS}").splitlines()
    assert [line for line in lines if f"--index-url {CPU_BUILDS}" in line and "-r requirements/torch.txt" in line]
    assert [line for line in lines if "requirements/train.txt" in line and "--index-url" not in line]
    assert "about 6 GB" not in "".join(lines)


def test_advisories_of_the_day_change_no_result_of_a_check() -> None:
    """What CI runs asks no advisory service; the target that does has an environment of its own."""
    assert "audit" not in planned("check", "test")
    assert "-m scripts.audit requirements/audit.txt" in planned("audit")
