"""The Hub that published weights are downloaded from, where it cannot be reached."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from huggingface_hub import constants, get_session

_PATIENCE_S = 8.0


@contextmanager
def only_if_reachable(patience_s: float = _PATIENCE_S) -> Iterator[None]:
    """In the block the Hub's library looks into its cache alone, unless the Hub answers within `patience_s`.

    By itself it asks six times for each of two files, 23 seconds each, and no setting changes that
    (huggingface_hub 2.4, `_http_backoff_base`).
    """
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _answers(patience_s)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _answers(patience_s: float) -> bool:
    """In a thread of its own: looking up a name and trying all its addresses have no limit of time together."""
    answered = Event()

    def ask() -> None:
        with suppress(Exception):  # whatever the libraries for HTTP raise
            get_session().head(constants.ENDPOINT, timeout=patience_s)
            answered.set()

    asking = Thread(target=ask, daemon=True)
    asking.start()
    asking.join(patience_s)
    return answered.is_set()
