"""A payload whose image is decoded by the thread that runs the engine."""

from collections.abc import Callable

from models.contract import Pixels
from service.decoding.decode import Decoded
from service.errors import NotReady


class DeferredDecode:
    """Decodes once, in any thread, and keeps the pixels. `close()` frees the encoded bytes."""

    __slots__ = ("_decode", "_decoded", "needs_thread")
    deferred = True

    def __init__(self, decode: Callable[[], Decoded], *, needs_thread: bool = True) -> None:
        """needs_thread: whether decoding takes more time than a change of threads."""
        self._decode: Callable[[], Decoded] | None = decode
        self._decoded: Decoded | None = None
        self.needs_thread = needs_thread

    @property
    def decoded(self) -> Decoded:
        """The decoded image. Raises the ImageError of the decoder, and NotReady after `close`."""
        if self._decoded is None:
            if (decode := self._decode) is None:
                raise NotReady("the request has ended")
            self._decoded = decode()
        return self._decoded

    def pixels(self) -> Pixels:
        """Return the decoded pixels. Raises what `decoded` raises."""
        return self.decoded.pixels

    def close(self) -> None:
        """Free the encoded bytes when the client no longer waits, even while the entry is still in a queue."""
        self._decode = None
