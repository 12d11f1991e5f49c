"""Reads and checks the parameters of a request: the query, `X-Deadline-Ms` and `X-Priority`."""

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
        raise _refused(error, "query") from None


_cached = lru_cache(maxsize=256)(_parsed)


def _refused(error: ValidationError, *place: str) -> RequestValidationError:
    found = error.errors(include_url=False, include_context=False)
    return RequestValidationError([{**each, "loc": (*place, *each["loc"])} for each in found])
