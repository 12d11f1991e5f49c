"""Streams between frontends and engines."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import errors
from service.server.ipc.protocol import RESPONSE, Kind, error_from_json, error_to_json, frames


@given(st.lists(st.binary(max_size=50), max_size=8), st.integers(1, 100))
def test_a_stream_is_cut_where_its_messages_end(messages: list[bytes], step: int) -> None:
    """Whatever pieces it arrives in; a message that is cut short by the end of the stream is left out."""
    stream = b"".join(RESPONSE.pack(Kind.ANSWER, 0, 0, n, 0, 0, 0, 1, len(m)) + m for n, m in enumerate(messages))

    async def read() -> list[tuple[int, bytes]]:
        reader = asyncio.StreamReader()
        found = asyncio.ensure_future(_collect(reader))
        for begin in range(0, len(stream), step):
            reader.feed_data(stream[begin : begin + step])
            await asyncio.sleep(0)
        reader.feed_data(RESPONSE.pack(Kind.ANSWER, 0, 0, 99, 0, 0, 0, 1, 10) + b"short")
        reader.feed_eof()
        return await found

    assert asyncio.run(read()) == list(enumerate(messages))


async def _collect(reader: asyncio.StreamReader) -> list[tuple[int, bytes]]:
    return [(head[3], data) async for head, data in frames(reader, RESPONSE)]


def all_errors(kind: type[errors.ServiceError] = errors.ServiceError) -> list[type[errors.ServiceError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in all_errors(child))]


@pytest.mark.parametrize("kind", all_errors())
def test_an_error_arrives_as_it_was(kind: type[errors.ServiceError]) -> None:
    """Its kind, its words, and when to come back."""
    sent = kind("too much", 7) if issubclass(kind, errors.Unavailable) else kind("too much")
    arrived = error_from_json(error_to_json(sent))
    assert (type(arrived), arrived.detail) == (kind, "too much")
    assert vars(arrived) == vars(sent)
