"""An image that is still encoded when it waits for a network: the thread that runs it decodes it first."""

from collections.abc import Callable

from models.contract import Pixels
from service.decoding.decode import Decoded


class LargerThanClaimed(Exception):
    """The header claimed less than there is; the image has to be decoded where it can be stopped."""


class DeferredDecode:
    """Decoded once, in any thread; what came out stays here, what went in only until nobody waits any more."""

    __slots__ = ("_decode", "decoded", "needs_thread")
    deferred = True

    def __init__(self, decode: Callable[[], Decoded | None], *, tiny: bool = False) -> None:
        """decode: see `decode_if_small`. tiny: that takes less time than another thread is worth."""
        self._decode: Callable[[], Decoded | None] | None = decode
        self.needs_thread = not tiny
        self.decoded: Decoded | None = None

    def decode(self) -> Decoded:
        """Raises LargerThanClaimed, also when it is forgotten, and the ImageError that the decoder raises."""
        if self.decoded is None and self._decode is not None:
            self.decoded = self._decode()
        if self.decoded is None:
            raise LargerThanClaimed
        return self.decoded

    def pixels(self) -> Pixels:
        """Return the decoded pixels. Raises as `decode`."""
        return self.decode().pixels

    def forget(self) -> None:
        """Nobody waits any more: the encoded bytes are not held by what is left in a queue."""
        self._decode = None
