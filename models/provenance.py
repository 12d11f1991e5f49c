"""The provenance of a network, so that it can be reproduced."""

from datetime import datetime

from pydantic import Field

from models.schema import ManifestModel


class Provenance(ManifestModel):
    """What is needed to reproduce the network."""

    dataset: str
    licence: str
    command: str
    commit: str
    libraries: dict[str, str]
    created: datetime
    seed: int | None = None
    duration_s: float | None = Field(default=None, ge=0)
    notes: tuple[str, ...] = ()
