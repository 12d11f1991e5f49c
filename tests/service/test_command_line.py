"""The options of the service: what is read, what is refused, and the help."""

import re
from pathlib import Path

import pytest

from service.command_line import UsageError, given_settings
from service.setting_texts import option
from service.settings import GROUPS, Settings


def test_only_what_is_given_is_returned() -> None:
    """Everything else is left to variables and defaults."""
    assert given_settings([]) == {}
    assert given_settings(["--port=8", "--access-log"]) == {"port": "8", "access_log": True}
    assert given_settings(["--no-access-log", "--no-strict"]) == {"access_log": False, "strict": False}


def test_a_list_may_be_given_in_parts() -> None:
    """The same as one list with commas."""
    assert given_settings(["--providers", "cuda", "--providers", "cpu"]) == {"providers": "cuda,cpu"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--modls", "here"], "there is no option --modls; did you mean --models?"),
        (["--keep_alive_s=5"], "there is no option --keep_alive_s; did you mean --keep-alive-s?"),
        (["--fronts", "2"], "there is no option --fronts; did you mean --frontends?"),
        (["--zzz"], "there is no option --zzz; see snellen serve --help"),
        (["-p", "80"], "there is no option -p; see snellen serve --help"),
        (["birds"], "'birds' is neither an option nor the value of one; see snellen serve --help"),
        (["--mod", "here"], "there is no option --mod; did you mean --models?"),
        (["--port"], "--port has no value: write it after the option, as in --port NUMBER"),
        (["--access-log=yes"], "--access-log takes no value"),
    ],
)
def test_what_cannot_be_read_is_refused(arguments: list[str], sentence: str) -> None:
    """One sentence, with the nearest option where there is one."""
    with pytest.raises(UsageError) as refused:
        given_settings(arguments)
    assert str(refused.value) == sentence


def test_a_folder_without_its_option_is_taken_for_the_models(tmp_path: Path) -> None:
    """It is not served: the message says how."""
    with pytest.raises(UsageError, match=f"did you mean --models {tmp_path}"):
        given_settings([str(tmp_path)])


def test_the_help_names_each_topic_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    """In words of users, not of types."""
    with pytest.raises(SystemExit) as ended:
        given_settings(["--help"])
    text = capsys.readouterr().out
    assert ended.value.code in (0, None)
    assert [topic for topic in GROUPS if f"\n{topic}:\n" not in text] == []
    assert [name for name in Settings.model_fields if f"\n  {option(name)}" not in text] == []
    assert "--providers cuda,cpu" in text
    assert "--keep-alive-s SECONDS" in text
    assert "permitted: 0 to 65,535" in " ".join(text.split())
    assert re.findall(r"\b(?:null|None|bool|tuple|int|float|str|Path|factory)\b", text) == []
