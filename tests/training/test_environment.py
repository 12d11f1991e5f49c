"""The environment that makes a bundle also serves it."""

from pathlib import Path

import pytest

from tests.snellen.command import snellen

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "models/fashion-mnist/3"


@pytest.mark.parametrize(
    "command",
    [
        ("classify", BUNDLE / "golden", "--bundle", BUNDLE),
        ("verify", BUNDLE),
        ("bench", BUNDLE, "--seconds", 0.1, "--largest", 1),
        ("serve", "--help"),
    ],
    ids=lambda command: command[0],
)
def test_commands_of_the_service_run_where_training_does(command: tuple[object, ...]) -> None:
    """The extra `train` includes them."""
    done = snellen(*command)
    assert done.returncode == 0, done.stderr
