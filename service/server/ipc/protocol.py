"""The binary protocol between frontends and engine processes: headers of fixed size, some followed by data."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from enum import IntEnum
from typing import Any, NamedTuple

from service import errors

REQUEST = struct.Struct("<BBHIQiQI")
"""Kind, whether the class map is needed, model, slot, number, priority, client, bytes that follow."""
RESPONSE = struct.Struct("<BxHIQfffHI")
"""Kind, rows and columns of a class map (0: none), number, seconds queued, seconds run, energy, images in the batch,
bytes that follow."""
HELLO = struct.Struct("<II")
"""The first bytes of a frontend, sent with the descriptor of its slots: their number, and the bytes of each."""
SHAPE = struct.Struct("<III")
"""Precedes the pixels of an image without a slot: height, width, channels."""
Report = dict[str, Any]
"""The state of one version in one engine process; see engine_process.report_of."""


class Kind(IntEnum):
    """The first byte of a header."""

    CLASSIFY = 1
    """To an engine process: run the pixels in this slot, or those that follow the header, of the size of the model."""
    DENSE = 2
    """To an engine process: run the pixels that follow the header, of any size."""
    CANCEL = 3
    """To an engine process: the result of this number is no longer needed."""
    ANSWER = 4
    """To a frontend: float32 probabilities, for DENSE then the logits, then the class map if there is one."""
    PROBLEM = 5
    """To a frontend: an error as JSON."""
    REPORT = 6
    """To a frontend: a version was loaded, rejected or retired, as JSON."""


class RequestHeader(NamedTuple):
    """A header sent by a frontend; see REQUEST."""

    kind: int
    class_map: int
    model: int
    slot: int
    number: int
    priority: int
    client: int
    size: int


class ResponseHeader(NamedTuple):
    """A header sent by an engine process; see RESPONSE.

    energy: float32 in nats, exactly as computed; NaN where there is none. batch_size: images that were run together; 0
    where none was.
    """

    kind: int
    rows: int
    columns: int
    number: int
    queue_s: float
    infer_s: float
    energy: float
    batch_size: int
    size: int


async def frames(reader: asyncio.StreamReader, header: struct.Struct) -> AsyncIterator[tuple[tuple[Any, ...], bytes]]:
    """Yield each header and the data that follows it, until the other side has ended."""
    with contextlib.suppress(asyncio.IncompleteReadError, OSError):
        while True:
            head = header.unpack(await reader.readexactly(header.size))
            yield head, await reader.readexactly(head[-1])


def error_to_json(error: errors.ServiceError) -> dict[str, Any]:
    """Return an error as JSON for `error_from_json` in the other process."""
    retry_after_s = getattr(error, "retry_after_s", None)
    return {"error": type(error).__name__, "detail": error.detail, "retry_after_s": retry_after_s}


def error_from_json(problem: dict[str, Any]) -> errors.ServiceError:
    """Return the error. Raises AttributeError for a name that is not an error class."""
    kind: type[errors.ServiceError] = getattr(errors, problem["error"])
    if issubclass(kind, errors.Unavailable):
        return kind(problem["detail"], problem["retry_after_s"])
    return kind(problem["detail"])
