"""Dispatches a frontend's images to the engine processes, and sends them again when an engine process dies."""

import asyncio
import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from models.contract import Pixels
from service.errors import EngineFailure, NotReady, ServiceError
from service.server.ipc.pixel_slots import PixelSlots
from service.server.ipc.protocol import ResponseHeader
from service.types import Priority

MAX_TRIES = 3
"""Engine processes that may die with an image before it fails; the image may be the cause."""


IpcReply = tuple[ResponseHeader, bytes]
"""The header of a reply, and the bytes that follow it."""


@dataclass(slots=True)
class Entry:
    """One image on its way to an engine process: in a pixel slot, or as an array if its size differs (dense).

    A result that is done means that the client no longer waits.
    """

    number: int
    version: str
    result: asyncio.Future[IpcReply]
    class_map: bool = False
    priority: Priority = Priority.INTERACTIVE
    deadline: float = math.inf
    image: Pixels | None = None
    slot: int | None = None
    tries: int = 0
    link: "Carrier | None" = field(default=None, repr=False)


def _too_late(entry: Entry) -> None:
    if not entry.result.done():
        entry.result.set_exception(TimeoutError())


class Carrier:
    """Sends entries to one engine process; a connection in production."""

    def __init__(self) -> None:
        self.held: dict[int, Entry] = {}
        self.models: dict[str, int] = {}
        """By version, the number that the engine process uses for it."""

    def carry(self, entry: Entry) -> None: ...

    def forget(self, entry: Entry) -> None: ...


class EngineDispatcher:
    """Sends each entry to the engine process with the fewest of this frontend's, and to another one if that dies."""

    def __init__(self, slots: PixelSlots, changed: Callable[[bool], None] = lambda _served: None) -> None:
        """Create a dispatcher without engines.

        changed: called with whether any engine process serves a model, whenever that may have changed.
        """
        self.slots = slots
        self._changed = changed
        self._carriers: list[Carrier] = []
        self._waiting: dict[int, Entry] = {}
        self._numbers = itertools.count(1)
        self._closed = False

    async def ask(
        self,
        version: str,
        image: Pixels,
        *,
        dense: bool = False,
        class_map: bool = False,
        deadline: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> IpcReply:
        """Return the reply for one image. Cancelling this coroutine also cancels the work in the engine process.

        deadline: seconds on the clock of time.monotonic.
        Raises QueueFull, NotReady, EngineFailure, and TimeoutError at the deadline.
        """
        if self._closed:
            raise NotReady("the service is shutting down; send the request again")
        loop = asyncio.get_running_loop()
        entry = Entry(next(self._numbers), version, loop.create_future(), class_map, priority)
        if dense:
            entry.image = image
        else:
            entry.slot = self.slots.take(image)
        entry.deadline = math.inf if deadline is None else deadline
        self._send(entry)
        if deadline is None:
            return await self._result(entry)
        clock = loop.call_later(deadline - time.monotonic(), _too_late, entry)
        try:
            return await self._result(entry)
        finally:
            clock.cancel()

    async def _result(self, entry: Entry) -> IpcReply:
        try:
            return await entry.result
        finally:
            self._forget(entry)

    def add(self, carrier: Carrier) -> None:
        self._carriers.append(carrier)

    def serves(self, carrier: Carrier, version: str, model: int) -> None:
        """Record that an engine process serves a version, and send it the entries that wait for that version."""
        carrier.models[version] = model
        self._changed(True)
        for entry in [entry for entry in self._waiting.values() if entry.version == version]:
            del self._waiting[entry.number]
            self._send(entry)

    def replied(self, carrier: Carrier, number: int, outcome: IpcReply | ServiceError) -> None:
        entry = carrier.held.pop(number, None)
        if entry is not None:
            self._end(entry, outcome)

    def lost(self, carrier: Carrier) -> None:
        """Send the entries of a lost engine process to others, or keep them until one is available."""
        if carrier in self._carriers:
            self._carriers.remove(carrier)
            self._changed(any(other.models for other in self._carriers))
        held, carrier.held = carrier.held, {}
        for entry in held.values():
            if entry.result.done():
                self._end(entry, None)
            elif entry.tries >= MAX_TRIES:
                self._end(entry, EngineFailure("engine processes died with this image; it is not tried again"))
            else:
                self._send(entry)

    def close(self) -> None:
        """Fail the entries that wait, and reject new ones."""
        self._closed = True
        for entry in self._waiting.values():
            self._end(entry, NotReady("the service is shutting down; send the request again"))
        self._waiting.clear()

    def _send(self, entry: Entry) -> None:
        carriers = (carrier for carrier in self._carriers if entry.version in carrier.models)
        entry.link = chosen = min(carriers, key=lambda carrier: len(carrier.held), default=None)
        if chosen is None:
            self._waiting[entry.number] = entry
            return
        entry.tries += 1
        chosen.held[entry.number] = entry
        chosen.carry(entry)

    def _forget(self, entry: Entry) -> None:
        """Tell the engine process that the entry is no longer needed, unless it was answered.

        Its slot stays in use until the engine process has replied that it no longer reads the slot.
        """
        entry.result.cancel()
        if self._waiting.pop(entry.number, None) is not None:
            self._end(entry, None)
        elif entry.link is not None and entry.number in entry.link.held:
            entry.link.forget(entry)

    def _end(self, entry: Entry, outcome: IpcReply | ServiceError | None) -> None:
        if entry.slot is not None:
            self.slots.give_back(entry.slot)
        if entry.result.done() or outcome is None:
            return
        if isinstance(outcome, ServiceError):
            entry.result.set_exception(outcome)
        else:
            entry.result.set_result(outcome)
