"""Shells complete the options of `snellen serve`, which the service reads and typer does not."""

import pytest
from typer.testing import CliRunner

from service.setting_texts import option
from service.settings import Settings
from snellen.__main__ import app
from snellen.serve_options import completion_parameters


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("--po", ["--port"]),
        ("--port 80 --log", ["--log-level", "--log-format"]),
        ("--log-level de", ["debug"]),
        ("--providers openvino,c", ["openvino,cpu", "openvino,cuda"]),
        ("--no-str", ["--no-strict"]),
    ],
)
def test_options_and_their_values_are_completed(typed: str, completed: list[str]) -> None:
    """By the function that `snellen --install-completion` installs for bash."""
    words = f"snellen serve {typed}"
    asked = {"_SNELLEN_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    done = CliRunner().invoke(app, [], env=asked, prog_name="snellen")
    assert done.stdout.split() == completed


def test_every_setting_has_an_option_to_complete() -> None:
    found = {name for parameter in completion_parameters() for name in parameter.opts}
    assert found == {option(name) for name in Settings.model_fields}
