"""What a client asks."""

from collections.abc import Sequence
from typing import NamedTuple

from service.errors import ServiceError
from service.types import Priority


class ClassifyRequest(NamedTuple):
    """What a client asks: encoded images, in order, or why one could not be read, and how it wants the answer."""

    images: Sequence[bytes | ServiceError]
    model: str | None = None
    version: str | None = None
    top_k: int | None = None
    heatmap: bool = False
    coverage: float | None = None
    dense: bool = False
    deadline_s: float = 10.0
    priority: Priority = Priority.INTERACTIVE

    @property
    def is_single_interactive(self) -> bool:
        """Whether somebody waits for a single image."""
        return len(self.images) == 1 and self.priority is Priority.INTERACTIVE
