"""Reads and checks the parameters of a request: options in query and body, `X-Deadline-Ms` and `X-Priority`."""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Annotated, Literal, NoReturn, TypeVar
from urllib.parse import parse_qsl

from fastapi import Path
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from service.api.v1.or_left_out import OrLeftOut
from service.types import Priority

T = TypeVar("T")
ModelPath = Annotated[str, Path(max_length=64, description="a model's name", examples=["imagenet"])]
VersionPath = Annotated[str, Path(max_length=20, description="a version", examples=["1"])]
_CACHED_BYTES = 128
"""Limit of a cached query, in bytes. Longer ones are parsed each time, so that the cache stays small."""


class QueryParams(BaseModel):
    """The query; a name that is not here is refused, since a typing error would go unnoticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dense: bool = Field(
        default_factory=bool,  # a default in the document would be sent by generated clients, in query and body at once
        description="classify every part of a large image, at its own scale; false by default",
    )
    top_k: OrLeftOut[int] = Field(
        None, ge=1, description="classes in the answer, at most the model's number; default 5, 1 for a cell of `dense`"
    )
    explain: OrLeftOut[Literal["heatmap"]] = Field(
        None, description="add where in the picture the first class was seen"
    )
    coverage: OrLeftOut[float] = Field(
        None, gt=0, lt=1, description="add a prediction set; one of the model's coverages"
    )

    @field_validator("explain", "coverage")
    @classmethod
    def _not_with_dense(cls, value: object, info: ValidationInfo) -> object:
        if value is not None and info.data.get("dense"):
            raise PydanticCustomError("contradiction", "not possible together with dense=1; leave one of them out")
        return value


OPTION_NAMES = tuple(sorted(QueryParams.model_fields))
MAX_OPTION_BYTES = 64
"""Limit of the value of an option in a body, in bytes."""
Milliseconds = Annotated[int, Field(ge=1)]
DEADLINE = "X-Deadline-Ms"
PRIORITY = "X-Priority"
_ELSEWHERE = {
    "model": "name the model in the path, as in POST /v1/models/NAME/classify",
    "version": "name the version in the path, as in POST /v1/models/NAME/versions/VERSION/classify",
    "heatmap": "use explain=heatmap",
    "deadline_ms": f"send it as the header {DEADLINE}",
    "timeout": f"send it in milliseconds as the header {DEADLINE}",
    "priority": f"send it as the header {PRIORITY}",
}
"""Unknown names of options, and where their meaning belongs."""
_SUGGESTIONS, _LONGEST_NAME = 8, 64
"""Numbers of unknown names, and of characters of such a name, for which a similar one is searched: 20 us for each."""
_MILLISECONDS: TypeAdapter[int] = TypeAdapter(Milliseconds)
_PRIORITY: TypeAdapter[Priority] = TypeAdapter(Priority)


def read_options(query: bytes) -> QueryParams:
    """Parse a raw query string. Raises RequestValidationError, also for an option that is there twice."""
    return _cached(query) if len(query) <= _CACHED_BYTES else _validated_options(_pairs(query))


def read_all_options(query: bytes, body: Mapping[str, str]) -> QueryParams:
    """Return the options of a raw query string and of a body together. Raises RequestValidationError as above.

    body: option -> value as text, as it would be in the query.
    """
    options = _pairs(query)
    for name, value in body.items():
        if name in options:
            refuse_second(name)
        options[name] = value
    return _validated_options(options)


def refuse_second(name: str) -> NoReturn:
    """Raise RequestValidationError for an option that is given twice."""
    raise RequestValidationError([{"loc": ("query", name), "msg": "this option is there twice; leave one of them out"}])


def read_deadline(header: bytes) -> int:
    """Return the deadline in milliseconds. Raises RequestValidationError."""
    return _validated(_MILLISECONDS, header.decode("latin-1"), DEADLINE)


def read_priority(header: bytes) -> Priority:
    """Return the priority. Raises RequestValidationError."""
    return _validated(_PRIORITY, header.decode("latin-1").lower(), PRIORITY)


def _validated(adapter: TypeAdapter[T], text: str, name: str) -> T:
    try:
        return adapter.validate_python(text)
    except ValidationError as error:
        raise _refused(error, "header", name) from None


def _pairs(query: bytes) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name in options and name in OPTION_NAMES:
            refuse_second(name)
        options[name] = value
    return options


def _validated_options(options: Mapping[str, str]) -> QueryParams:
    try:
        return QueryParams.model_validate(options)
    except ValidationError as error:
        refused = _refused(error, "query")
        _explain_unknown(refused)
        raise refused from None


def _explain_unknown(refused: RequestValidationError) -> None:
    """Replace the message of each unknown name by what the client probably meant."""
    unknown = [each for each in refused.errors() if each["type"] == "extra_forbidden"]
    for position, each in enumerate(unknown):
        each["msg"] = _meant(each["loc"][-1]) if position < _SUGGESTIONS else _UNKNOWN


_UNKNOWN = "not a known parameter"


def _meant(name: str) -> str:
    if len(name) > _LONGEST_NAME:
        return _UNKNOWN
    return f"{_UNKNOWN}; {meant_name(name, *QueryParams.model_fields)}"


def meant_name(name: str, *known: str) -> str:
    """Return which of the `known` names an unknown one probably stands for, or else all of them, as half a sentence.

    name: as the client wrote it, in a query, a form or JSON.
    """
    lower = name[: _LONGEST_NAME + 1].lower().replace("-", "_")
    if lower in _ELSEWHERE:
        return _ELSEWHERE[lower]
    if len(lower) <= _LONGEST_NAME and (close := get_close_matches(lower, known, n=1, cutoff=0.6)):
        return f"did you mean {close[0]}?"
    return f"the names are {', '.join(known)}"


@lru_cache(maxsize=256)
def _cached(query: bytes) -> QueryParams:
    return _validated_options(_pairs(query))


def _refused(error: ValidationError, *place: str) -> RequestValidationError:
    found = error.errors(include_url=False, include_context=False)
    return RequestValidationError([{**each, "loc": (*place, *each["loc"])} for each in found])
