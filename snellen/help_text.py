"""The help of a command as plain text: its options by topic, with values, defaults and ranges in words.

It has the form of the help of `snellen serve`, which argparse writes from the settings.
"""

import argparse
import inspect
import shutil
import textwrap
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

_KINDS = {Path: "PATH", int: "NUMBER", float: "NUMBER"}
"""Type of a value -> what stands for it in the help, where the option names nothing better."""


def help_text(command: Any, context: Any) -> str:
    """Return the help of a command or a group of commands of typer."""
    parser = argparse.ArgumentParser(
        prog=context.command_path,
        usage=" ".join([context.command_path, *_usage(command, context)]),
        description=_filled(command.help or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    topics = dict[str, Any]()
    for name, parameter in _by_topic(command.get_params(context)):
        if name not in topics:
            topics[name] = parser.add_argument_group(name)
        _add(topics[name], parameter, context)
    for name in getattr(command, "commands", {}):
        inner = command.commands[name]
        topic = inner.rich_help_panel or "Commands"
        if topic not in topics:
            topics[topic] = parser.add_argument_group(topic)
        short = inspect.cleandoc(inner.help or "").partition("\n\n")[0].partition(";")[0]
        topics[topic].add_argument(name, help=" ".join(short.split()).rstrip(".").replace("%", "%%"))
    return parser.format_help()


def value_text(parameter: Any) -> str:
    """Return what stands for the value of a parameter: what it names, its choices, or the kind of value."""
    if parameter.metavar:
        return str(parameter.metavar)
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper()
    kind = parameter.type_descriptor
    if kind.is_choice:
        return "|".join(choices(parameter))
    return _KINDS.get(kind.annotation, "TEXT")


def choices(parameter: Any) -> tuple[str, ...]:
    """Return the values that a parameter takes; empty where they cannot be listed."""
    kind = getattr(parameter, "type_descriptor", None)
    if kind is None or not kind.is_choice:
        return ()
    return tuple(str(choice.value if isinstance(choice, Enum) else choice) for choice in kind.choices or ())


def range_text(parameter: Any) -> str:
    """Return the permitted range of a number in words; empty without one."""
    low, high = getattr(parameter, "min", None), getattr(parameter, "max", None)
    if low is not None and high is not None:
        return f"{low:,} to {high:,}"
    if low is not None:
        return f"{low:,} or more"
    return f"at most {high:,}" if high is not None else ""


def _usage(command: Any, context: Any) -> Iterator[str]:
    """Yield the parts of the usage after the name of the command."""
    yield "[OPTIONS]"
    for parameter in command.get_params(context):
        if parameter.param_type_name == "argument":
            shown = value_text(parameter) + ("..." if parameter.nargs != 1 else "")
            yield shown if parameter.required else f"[{shown}]"
    if hasattr(command, "commands"):
        yield "COMMAND ..."


def _by_topic(parameters: list[Any]) -> Iterator[tuple[str, Any]]:
    """Yield the topic of each parameter that is shown, with the parameter; arguments are the first topic."""
    for parameter in sorted(parameters, key=lambda each: each.param_type_name != "argument"):
        if getattr(parameter, "hidden", False):
            continue
        usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
        topic = "Help" if parameter.name == "help" else getattr(parameter, "rich_help_panel", None)
        yield topic or usual, parameter


def _add(group: Any, parameter: Any, context: Any) -> None:
    known = _facts(parameter, context)
    text = (parameter.help or "").rstrip(".").replace("Show this message", "Print this text")
    text = (f"{text} ({known})" if known else text).replace("%", "%%")
    if parameter.param_type_name == "argument":
        group.add_argument(parameter.name, metavar=value_text(parameter), help=text)
    elif parameter.is_flag:
        group.add_argument(*parameter.opts, *parameter.secondary_opts, action="store_true", help=text)
    else:
        group.add_argument(*parameter.opts, metavar=value_text(parameter).replace("%", "%%"), help=text)


def _facts(parameter: Any, context: Any) -> str:
    """Return default and range, and whether a value is needed."""
    facts = ["needed"] if parameter.required and parameter.param_type_name == "option" else []
    default = parameter.get_default(context, call=False)
    if getattr(parameter, "is_flag", False):
        facts += [f"default: {'on' if default else 'off'}"] if parameter.secondary_opts and default is not None else []
    elif default not in (None, "", (), []):
        facts.append(f"default: {default.value if isinstance(default, Enum) else default}")
    allowed = range_text(parameter)
    return "; ".join([*facts, *([f"permitted: {allowed}"] if allowed else [])])


def _filled(text: str) -> str:
    """Return paragraphs with lines of the terminal's width."""
    width = shutil.get_terminal_size().columns - 2
    return "\n\n".join(textwrap.fill(part, width) for part in inspect.cleandoc(text).split("\n\n"))
