"""The command line of the service: options grouped by topic, from the settings and their descriptions."""

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from service.setting_texts import facts, is_list, is_switch, option, placeholder
from service.settings import GROUPS, Settings

_DESCRIPTION = """Every option is an environment variable too, as SNELLEN_PORT is for --port; an option wins.
Times are in seconds, sizes in bytes, and counts are those of the whole service."""


class UsageError(Exception):
    """The arguments cannot be read; the message is one sentence that says what to change."""


def given_settings(arguments: Sequence[str]) -> dict[str, str | bool]:
    """Return the settings among the arguments by name, their values as typed.

    Lists that are given several times are joined. Prints the help and exits with status 0 for `--help`.
    Raises UsageError.
    """
    parser = _parser()
    try:
        found, rest = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise UsageError(_misused(str(error.argument_name).partition("/")[0])) from error
    if rest:
        raise UsageError(_unknown(rest[0], [name for action in parser._actions for name in action.option_strings]))
    return {name: ",".join(value) if isinstance(value, list) else value for name, value in vars(found).items()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="snellen serve",
        usage="snellen serve [OPTIONS]\n       snellen serve FILE.onnx [OPTIONS]",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
        exit_on_error=False,
        add_help=False,
    )
    for topic, names in GROUPS.items():
        group = parser.add_argument_group(topic)
        for name in names:
            _add(group, name)
    parser.add_argument_group("Help").add_argument("-h", "--help", action="help", help="print this text and exit")
    return parser


def _add(group: "argparse._ArgumentGroup", name: str) -> None:
    known = facts(name)
    text = (f"{Settings.model_fields[name].description}" + (f" ({known})" if known else "")).replace("%", "%%")
    if is_switch(name):
        group.add_argument(option(name), dest=name, action=argparse.BooleanOptionalAction, help=text)
    else:
        action = "append" if is_list(name) else "store"
        group.add_argument(option(name), dest=name, action=action, metavar=placeholder(name), help=text)


def _misused(name: str) -> str:
    """Return the sentence that refuses an option without its value, or a switch with one."""
    setting = name.removeprefix("--").replace("-", "_")
    if is_switch(setting):
        return f"{name} takes no value"
    return f"{name} has no value: write it after the option, as in {name} {placeholder(setting)}"


def _unknown(argument: str, options: Sequence[str]) -> str:
    """Return the sentence that refuses an argument that is no option."""
    name = argument.partition("=")[0]
    if not name.startswith("-"):
        hint = f"; did you mean --models {argument}?" if Path(argument).is_dir() else ""
        return f"{argument!r} is neither an option nor the value of one{hint or '; see snellen serve --help'}"
    near = get_close_matches(name.replace("_", "-"), options, n=1)
    return f"there is no option {name}; " + (f"did you mean {near[0]}?" if near else "see snellen serve --help")
