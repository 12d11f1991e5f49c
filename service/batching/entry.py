"""The queue entry of one image."""

import asyncio
import time
from dataclasses import dataclass, field

from service.types import UNKNOWN_CLIENT, EngineResult, Payload


@dataclass(slots=True)
class Entry:
    """One image in a queue and the future of its result.

    A future that is done means that the client no longer waits. client: its identity.
    """

    payload: Payload
    class_map: bool
    result: asyncio.Future[EngineResult]
    client: int = UNKNOWN_CLIENT
    enqueued_at: float = field(default_factory=time.perf_counter)

    @property
    def alive(self) -> bool:
        return not self.result.done()

    def answer(self, answer: EngineResult) -> None:
        if not self.result.done():
            self.result.set_result(answer)

    def fail(self, error: Exception) -> None:
        if not self.result.done():
            self.result.set_exception(error)
