"""The values that the rooms share."""

import asyncio

import numpy as np
import pytest

from service.errors import EngineFailure
from service.types import ClientState, ReadyPixels, attach_client_state, check_finite, client_state_of


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_an_output_with_nan_or_infinity_is_an_engine_failure(broken: float) -> None:
    """One such value in one of several arrays is enough."""
    good, bad = np.zeros(3, np.float32), np.array([[0, broken]], np.float32)
    check_finite(good, good)
    with pytest.raises(EngineFailure, match="NaN or infinity"):
        check_finite(good, bad)


def test_decoded_pixels_are_a_payload_that_needs_no_work() -> None:
    """The pixels are not copied, and no thread is needed for them."""
    pixels = np.zeros((2, 2, 3), np.uint8)
    payload = ReadyPixels(pixels)
    assert payload.pixels() is pixels
    assert (payload.deferred, payload.needs_thread) == (False, False)


async def test_a_disconnect_cancels_the_task_that_works_for_the_client() -> None:
    """Without a task only the disconnect is recorded."""
    client = ClientState()
    client.task = asyncio.create_task(asyncio.Event().wait())
    client.leave()
    with pytest.raises(asyncio.CancelledError):
        await client.task
    idle = ClientState()
    idle.leave()
    assert client.has_left
    assert idle.has_left


def test_the_state_of_a_connection_is_found_in_the_scope_of_its_request() -> None:
    """The scope of another ASGI server has no such state."""
    scope: dict[str, object] = {"type": "http"}
    assert client_state_of(scope) is None
    attach_client_state(scope)
    state = client_state_of(scope)
    assert isinstance(state, ClientState)
    assert not state.has_left
    assert state.task is None
