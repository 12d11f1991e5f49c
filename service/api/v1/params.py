"""Reads and checks the parameters of a request: the query, `X-Deadline-Ms` and `X-Priority`."""

from difflib import get_close_matches
from functools import lru_cache
from typing import Annotated, Literal, TypeVar
from urllib.parse import parse_qsl

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from service.types import Priority

T = TypeVar("T")
_CACHED_BYTES = 128
"""Limit of a cached query, in bytes. Longer ones are parsed each time, so that the cache stays small."""


class QueryParams(BaseModel):
    """The query; a name that is not here is refused, since a typing error would go unnoticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dense: bool = Field(False, description="classify every part of a large image, at its own scale")
    top_k: int | None = Field(
        None, ge=1, description="classes in the answer, at most the model's number; default 5, 1 for a cell of `dense`"
    )
    explain: Literal["heatmap"] | None = Field(None, description="add where in the picture the first class was seen")
    coverage: float | None = Field(None, gt=0, lt=1, description="add a prediction set; one of the model's coverages")

    @field_validator("explain", "coverage")
    @classmethod
    def _not_with_dense(cls, value: object, info: ValidationInfo) -> object:
        if value is not None and info.data.get("dense"):
            raise PydanticCustomError("contradiction", "not possible together with dense=1; leave one of them out")
        return value


Milliseconds = Annotated[int, Field(ge=1, description="milliseconds for the answer once the body is in")]
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
"""Unknown names of the query, and where their meaning belongs."""
_SUGGESTIONS, _LONGEST_NAME = 8, 64
"""Numbers of unknown names, and of characters of such a name, for which a similar one is searched: 20 us for each."""
_MILLISECONDS: TypeAdapter[int] = TypeAdapter(Milliseconds)
_PRIORITY: TypeAdapter[Priority] = TypeAdapter(Priority)


def read_options(query: bytes) -> QueryParams:
    """Parse a raw query string; the last value of a name is used. Raises RequestValidationError."""
    return _cached(query) if len(query) <= _CACHED_BYTES else _parsed(query)


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


def _parsed(query: bytes) -> QueryParams:
    try:
        return QueryParams.model_validate(dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)))
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
    lower = name.lower().replace("-", "_")
    if lower in _ELSEWHERE:
        return f"{_UNKNOWN}; {_ELSEWHERE[lower]}"
    known = tuple(QueryParams.model_fields)
    if close := get_close_matches(lower, known, n=1, cutoff=0.6):
        return f"{_UNKNOWN}; did you mean {close[0]}?"
    return f"{_UNKNOWN}; the parameters are {', '.join(known)}"


_cached = lru_cache(maxsize=256)(_parsed)


def _refused(error: ValidationError, *place: str) -> RequestValidationError:
    found = error.errors(include_url=False, include_context=False)
    return RequestValidationError([{**each, "loc": (*place, *each["loc"])} for each in found])
