"""Base class and field types of the parts of a manifest."""

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints


class ManifestModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _stay_inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path:
        raise ValueError(f"{path!r} does not stay inside the bundle")
    return path


def _between_0_and_1(text: str) -> str:
    """Return the text. Raises ValueError unless it is a number between 0 and 1, exclusive."""
    if not 0 < float(text) < 1:
        raise ValueError(f"{text!r} is not between 0 and 1")
    return text


ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
RelativePath = Annotated[str, AfterValidator(_stay_inside)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Fraction = Annotated[float, Field(ge=0, le=1)]
Coverage = Annotated[str, AfterValidator(_between_0_and_1)]
"""A coverage as text, because the keys of a JSON object are texts: "0.9"."""
Channel = Annotated[int, Field(ge=0, le=255)]
