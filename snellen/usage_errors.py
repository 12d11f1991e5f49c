"""One sentence for each way in which a command line can be wrong."""

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from snellen.help_text import choices, range_text, value_text


def usage_sentence(error: Any) -> str:
    """Return what is wrong with the command line and what to write.

    error: of typer, whose classes for these are not public and are known by their names.
    """
    sentences: dict[str, Callable[[Any], str]] = {
        "NoSuchOption": lambda wrong: _unknown("option", wrong.option_name, _options(wrong.ctx), wrong.ctx),
        "BadOptionUsage": _misused,
        "MissingParameter": lambda wrong: _missing(wrong.param, wrong.ctx),
        "BadParameter": _wrong_value,
        "UsageError": _other,
    }
    return sentences.get(type(error).__name__, lambda wrong: str(wrong.format_message()))(error)


def _other(error: Any) -> str:
    """Return the sentence for the errors that typer tells apart by their text only."""
    if found := re.match(r"No such command '(.*?)'", error.message):
        return _unknown("command", found[1], list(error.ctx.command.commands), error.ctx)
    if found := re.match(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", error.message):
        return f"there is one argument too many: {found[1]}{_see(error.ctx)}"
    return str(error.format_message())


def _misused(error: Any) -> str:
    if "requires" in error.message:
        return f"{error.option_name} has no value: write it after the option"
    return f"{error.option_name} takes no value: leave out what follows the ="


def _unknown(what: str, name: str, known: list[str], context: Any) -> str:
    near = get_close_matches(name.replace("_", "-"), known, n=1)
    return f"there is no {what} {name}" + (f"; did you mean {near[0]}?" if near else _see(context))


def _missing(parameter: Any, context: Any) -> str:
    name = value_text(parameter) if parameter.param_type_name == "argument" else parameter.opts[0]
    what = (parameter.help or "").rstrip(".")
    return f"{name} is missing: {what[:1].lower()}{what[1:]}{_see(context)}"


def _wrong_value(error: Any) -> str:
    parameter, cause = error.param, error.__cause__
    if parameter is None:
        return str(error.message)
    name = parameter.opts[0] if parameter.param_type_name == "option" else value_text(parameter)
    given = str(cause.errors()[0]["input"]) if isinstance(cause, ValidationError) else None
    end = "" if given is None else f", not {given!r}"
    if known := choices(parameter):
        near = get_close_matches(str(given).casefold(), {each.casefold(): each for each in known}, n=1)
        meant = [each for each in known if each.casefold() in near]
        return f"{name} takes one of {', '.join(known)}{end}" + (f"; did you mean {meant[0]}?" if meant else "")
    if parameter.type_descriptor.annotation in (int, float):
        number = "a whole number" if parameter.type_descriptor.annotation is int else "a number"
        allowed = range_text(parameter)
        return f"{name} takes {number}" + (f", {allowed}" if allowed else "") + end
    return f"{name}: {error.message}"


def _options(context: Any) -> list[str]:
    if context is None:
        return []
    return [name for each in context.command.get_params(context) for name in (*each.opts, *each.secondary_opts)]


def _see(context: Any) -> str:
    return "" if context is None else f"; see {context.command_path} --help"
