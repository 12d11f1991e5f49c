"""Optional fields are described without null."""

import pytest
from pydantic import BaseModel, Field, ValidationError

from service.api.v1.or_left_out import OrLeftOut


class Part(BaseModel):
    size: int


class Whole(BaseModel):
    count: OrLeftOut[int] = Field(None, ge=1, description="how many")
    part: OrLeftOut[Part] = None


def test_the_schema_has_the_type_alone() -> None:
    """With the limits and the description of the field."""
    schema = Whole.model_json_schema()
    count = {"default": None, "description": "how many", "minimum": 1, "title": "Count", "type": "integer"}
    assert schema["properties"]["count"] == count
    assert schema["properties"]["part"]["$ref"] == "#/$defs/Part"
    assert "required" not in schema


def test_an_invalid_value_has_one_error() -> None:
    """As a plain optional field; a union of types would list an error for each."""
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate({"count": 0})
    (error,) = caught.value.errors()
    assert error["loc"] == ("count",)
    assert Whole().count is None
