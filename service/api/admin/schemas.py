"""What the admin API takes and answers."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictStr

from service.repository.scan import LATEST
from service.repository.state import State


def _version_or_model(name: str) -> str:
    model, slash, number = name.partition("/")
    if not model or (slash and not _is_number(number)):
        raise ValueError("write a model, as in imagenet, or a version of it, as in imagenet/2")
    return name


def _model(name: str) -> str:
    if not name or "/" in name:
        raise ValueError("write the name of a model, as in imagenet; the version has a field of its own")
    return name


def _latest_or_number(version: object) -> str:
    text = str(version) if isinstance(version, int | str) and not isinstance(version, bool) else ""
    if text != LATEST and not _is_number(text):
        raise ValueError("write latest, or the number of a version")
    return text


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


class _Body(BaseModel):
    """A body in which every field is known."""

    model_config = ConfigDict(extra="forbid")


class Nothing(_Body):
    """The body of a rescan."""


class Named(_Body):
    """Which versions to load or to unload: `imagenet` for all of a model, `imagenet/2` for one."""

    name: Annotated[StrictStr, Field(max_length=100), AfterValidator(_version_or_model)]


class Choice(_Body):
    """Which version of a model is to be the default one: `latest` or a number."""

    model: Annotated[StrictStr, Field(max_length=64), AfterValidator(_model)]
    version: Annotated[str, BeforeValidator(_latest_or_number)]


class AdminVersion(BaseModel):
    """One version, and whether it answers where only its model is named. sha256: of its manifest."""

    name: str
    state: State
    reason: str | None
    default: bool
    sha256: str


class DefaultRule(BaseModel):
    """Which version of a model should be the default one, and which one is.

    wanted: `latest` or a number, as chosen or as the file `default` says, or what is wrong with that file. version: the
    one that answers; None if none does. stored: whether the choice outlasts the service. reason: why another version
    answers than the one wanted.
    """

    wanted: str
    version: int | None
    stored: bool
    reason: str | None


class AdminState(BaseModel):
    """All that the service serves. number: of the state, grows with each change. defaults: by model.

    passed_over: folders that are not served, and why.
    """

    number: int
    default_model: str | None
    versions: list[AdminVersion]
    defaults: Mapping[str, DefaultRule]
    passed_over: Mapping[str, str]


class DefaultAnswer(BaseModel):
    """The outcome of a choice of the default version.

    wanted: the choice. version: the default version that follows from it. before: what was wanted before. not_stored:
    why the choice lasts only until the end of the service; None if it is stored.
    """

    model: str
    wanted: str
    version: int
    before: str
    not_stored: str | None
