"""A payload whose encoded image is decoded by the thread that runs the engine."""

from collections.abc import Callable

from models.contract import Pixels
from service.decoding.decode import Decoded


class LargerThanClaimed(Exception):
    """The image is larger than its header claimed, so it has to be decoded in a worker process, which can be killed."""


class DeferredDecode:
    """Caches the decoded pixels. `forget()` frees the encoded bytes."""

    __slots__ = ("_decode", "decoded", "needs_thread")
    deferred = True

    def __init__(self, decode: Callable[[], Decoded | None], *, tiny: bool = False) -> None:
        """Create a payload that is not decoded yet.

        decode: returns None for an image beyond the limits; see `decode_if_small`. tiny: whether decoding takes less
        time than a change of threads.
        """
        self._decode: Callable[[], Decoded | None] | None = decode
        self.needs_thread = not tiny
        self.decoded: Decoded | None = None

    def decode(self) -> Decoded:
        """Decode once, in any thread.

        Raises LargerThanClaimed, also after `forget`, and the ImageError of the decoder.
        """
        if self.decoded is None and self._decode is not None:
            self.decoded = self._decode()
        if self.decoded is None:
            raise LargerThanClaimed
        return self.decoded

    def pixels(self) -> Pixels:
        """Return the decoded pixels. Raises what `decode` raises."""
        return self.decode().pixels

    def forget(self) -> None:
        """Free the encoded bytes when the client no longer waits, even while the entry is still in a queue."""
        self._decode = None
