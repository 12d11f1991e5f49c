"""The options of `snellen serve` as parameters of typer, from which shells complete them.

The options themselves are read by the service, which has no typer.
"""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer


def completion_parameters() -> list[Any]:
    """Return an option of typer for each setting, with its values where they can be listed.

    Empty where the service is not installed.
    """
    try:
        from service.settings import Settings
    except ModuleNotFoundError:
        return []

    def settings(**_values: object) -> None:
        """Stand for the command."""

    settings.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [_parameter(name, str(info.description)) for name, info in Settings.model_fields.items()]
    )
    app = typer.Typer(add_completion=False)
    app.command(add_help_option=False)(settings)
    return list(typer.main.get_command(app).params)


def _parameter(name: str, description: str) -> inspect.Parameter:
    from service.setting_texts import choices, is_switch, option

    kind: Any
    if is_switch(name):
        switch = f"{option(name)}/--no-{option(name).removeprefix('--')}"
        kind = Annotated[bool | None, typer.Option(switch, help=description)]
    else:
        kind = Annotated[
            str | None, typer.Option(option(name), help=description, autocompletion=_completer(choices(name)))
        ]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)


def _completer(values: tuple[str, ...]) -> Callable[[str], list[str]]:
    """Return a function from the beginning of a value to the values that go on like it, also after commas."""

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [f"{before}{comma}{value}" for value in values if value.casefold().startswith(last.casefold())]

    return complete
