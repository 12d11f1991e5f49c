"""The type of a field that is either there or left out, but never null in JSON."""

from typing import Annotated, TypeVar

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

T = TypeVar("T")


class _NeverNull:
    """Describes an optional value without null in the JSON schema; the validation stays as it is."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        described = handler(schema)
        value: JsonSchemaValue
        (value,) = [kind for kind in described.pop("anyOf") if kind != {"type": "null"}]
        return described | value


OrLeftOut = Annotated[T | None, _NeverNull()]
"""`OrLeftOut[int]` is `int | None`; the OpenAPI document says integer, and that the field is not required.

Generated clients offer `null` as a value otherwise, and some send it.
"""
