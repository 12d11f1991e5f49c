"""The help of the commands: by topic, in words of users."""

import re
from typing import Any

import pytest
import typer.main

from snellen.__main__ import app
from snellen.help_text import help_text, range_text, value_text
from tests.snellen.command import in_process

COMMANDS: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
OWN_HELP = "serve"
"""The command whose help is made of the settings."""


def option(command: str, name: str) -> Any:
    """Return an option of a command."""
    return next(each for each in COMMANDS[command].params if each.name == name)


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - {OWN_HELP}))
def test_a_help_has_no_types_of_python(command: str) -> None:
    """Every option is in it, with what its value looks like."""
    done = in_process(command, "--help", COLUMNS="100")
    assert done.returncode == 0
    names = [name for each in COMMANDS[command].params for name in each.opts if name.startswith("--")]
    assert [name for name in names if f"  {name}" not in done.stdout] == []
    assert re.findall(r"\b(?:bool|int|float|str|tuple|null|None|range)\b|list\[|<=|>=", done.stdout) == []


@pytest.mark.parametrize(
    ("command", "topics"),
    [
        ("train", ["Bundle", "Images", "Network", "Training", "Run", "Help"]),
        ("classify", ["Arguments", "Model", "Answers", "Many images", "Options", "Limits", "Help"]),
        (
            "import",
            *[
                [
                    "Arguments",
                    "Bundle",
                    "Network",
                    "ONNX files and checkpoints: input",
                    "ONNX files: scores",
                    "ONNX files and checkpoints: checks",
                    "Help",
                ]
            ],
        ),
    ],
)
def test_options_are_grouped_by_topic(command: str, topics: list[str]) -> None:
    """In the order of their declaration."""
    assert re.findall(r"^(\S.*):$", in_process(command, "--help").stdout, re.MULTILINE) == topics


def test_commands_are_grouped_by_topic() -> None:
    """Each with the first part of its own help."""
    shown = in_process("--help", COLUMNS="200").stdout
    assert [topic for topic in ("Classify", "Make bundles") if f"\n{topic}:\n" not in shown] == []
    assert [name for name in COMMANDS if not re.search(rf"^  {name} +[A-Z]", shown, re.MULTILINE)] == []


@pytest.mark.parametrize(
    ("command", "name", "value", "allowed"),
    [
        ("bench", "largest", "IMAGES", "1 to 1,024"),
        ("bench", "seconds", "SECONDS", "0.1 or more"),
        ("bench", "providers", "cuda,cpu", ""),
        ("classify", "output_format", "table|jsonl|csv", ""),
        ("train", "lr", "NUMBER", ""),
        ("train", "note", "TEXT", ""),
        ("report", "bundle", "BUNDLE", ""),
    ],
)
def test_values_and_ranges_are_words(command: str, name: str, value: str, allowed: str) -> None:
    """Units, examples, choices."""
    assert value_text(option(command, name)) == value
    assert range_text(option(command, name)) == allowed


def test_defaults_are_shown_as_they_are_typed() -> None:
    """A switch without a default of its own says in words what it depends on."""
    shown = " ".join(in_process("train", "--help", COLUMNS="200").stdout.split())
    assert "(default: 32; permitted: 1 or more)" in shown
    assert "--flip, --no-flip Mirror half of the training images; default: unless they are grey pictures of" in shown


def test_a_percent_sign_is_text() -> None:
    """argparse formats help texts with it."""
    small = typer.Typer()

    @small.command()
    def tiny(share: int = typer.Option(1, help="How many % of it.")) -> None:
        """Do 100 % of it."""

    command = typer.main.get_command(small)
    shown = help_text(command, command.make_context("tiny", [], resilient_parsing=True))
    assert "How many % of it (default: 1)" in shown
    assert "Do 100 % of it." in shown
