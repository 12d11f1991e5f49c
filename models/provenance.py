"""Where a network came from, so that somebody can make it again."""

from datetime import datetime

from pydantic import Field

from models.parts import Part


class Provenance(Part):
    """How to make it again."""

    dataset: str
    licence: str
    command: str
    commit: str
    libraries: dict[str, str]
    created: datetime
    seed: int | None = None
    duration_s: float | None = Field(default=None, ge=0)
    notes: tuple[str, ...] = ()
