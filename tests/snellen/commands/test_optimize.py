"""`snellen optimize`: what it refuses before anything heavy is loaded."""

from pathlib import Path

import pytest

from tests.snellen.command import snellen


def test_it_has_help() -> None:
    """Without PyTorch, too."""
    assert "--budget" in snellen("optimize", "--help", COLUMNS="120").stdout


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--variants", "int8,int4"), "--variants: 'int4' is none of fp16, bf16, int8, pruned"),
        (("--variants", ""), "--variants: name at least one of fp16, bf16, int8, pruned"),
        (("--json", "nowhere/table.json"), "--json: there is no folder nowhere"),
        (("--json", "."), "--json: . is a folder: name a file"),
        (("--run", "."), "--run: . holds no config.json, so it is no run: name RUNS/NAME/VERSION of a training"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(bundle: Path, options: tuple[str, str], reason: str) -> None:
    """Exit status 2 and one line."""
    done = snellen("optimize", bundle, *options)
    assert (done.returncode, done.stderr) == (2, f"snellen: {reason}\n")
