"""What several commands understand alike."""

from pathlib import Path

import pytest

from snellen.options import provider_names
from tests.snellen.command import in_process, snellen


@pytest.mark.parametrize("command", ["serve", "classify", "train", "import", "verify", "bench"])
def test_every_command_has_help(command: str) -> None:
    """Without PyTorch, too."""
    done = snellen(command, "--help")
    assert done.returncode == 0
    assert "usage" in done.stdout.lower()


def command_line(command: str, bundle: Path, photos: Path) -> tuple[object, ...]:
    return {
        "classify": ("classify", photos / "a.png", "--bundle", bundle),
        "verify": ("verify", bundle),
        "bench": ("bench", bundle, "--seconds", 0.1, "--largest", 1),
    }[command]


@pytest.mark.parametrize("command", ["classify", "verify", "bench"])
def test_an_unknown_provider_is_refused(bundle: Path, photos: Path, command: str) -> None:
    """Exit status 2 and the names that there are."""
    done = in_process(*command_line(command, bundle, photos), "--providers", "cpu,foo")
    assert done.returncode == 2
    assert done.stderr == "snellen: --providers: 'foo' is none of cpu, cuda, tensorrt, openvino\n"


@pytest.mark.parametrize(("text", "names"), [("", ()), (" , ", ()), ("cpu", ("cpu",)), ("cuda, cpu,", ("cuda", "cpu"))])
def test_providers_may_have_spaces_and_be_none(text: str, names: tuple[str, ...]) -> None:
    """None is left to the engine: the best installed."""
    assert provider_names(text) == names


def test_verify_takes_the_best_installed_too(bundle: Path) -> None:
    """Where no provider is named."""
    assert in_process("verify", bundle, "--providers", "").returncode == 0
