"""Whether the Hub is there to be asked."""

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from huggingface_hub import constants

from training.networks.timm_hub import offline_unless_reachable


class _Refuses(BaseHTTPRequestHandler):
    """An answer all the same."""

    def do_HEAD(self) -> None:
        self.send_response(404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def hub() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refuses) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_hub_that_answers_is_asked_for_the_weights(hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it answers."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", hub)
    with offline_unless_reachable():
        assert not constants.is_offline_mode()


def test_a_hub_that_keeps_silent_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection is made, no answer comes: the cache alone, and afterwards as before."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with offline_unless_reachable(timeout_s=0.1):
            assert constants.is_offline_mode()
    assert not constants.is_offline_mode()


def test_who_chose_to_be_offline_stays_so(hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "ENDPOINT", hub)
    with offline_unless_reachable():
        assert constants.is_offline_mode()
    assert constants.is_offline_mode()
