"""An image that is still encoded when it waits for a network: the thread that runs it decodes it first."""

from collections.abc import Callable

from service.decoding import Decoded


class NotSmall(Exception):
    """The header claimed less than there is; the image has to be decoded where it can be stopped."""


class Encoded:
    """Decoded once, in any thread; what came out stays here."""

    __slots__ = ("_decode", "decoded", "tiny")

    def __init__(self, decode: Callable[[], Decoded | None], *, tiny: bool = False) -> None:
        """decode: see `decode_if_small`. tiny: that takes less time than another thread is worth."""
        self._decode = decode
        self.tiny = tiny
        self.decoded: Decoded | None = None

    def decode(self) -> Decoded:
        """Raises NotSmall, and the ImageError that the decoder raises."""
        self.decoded = self._decode()
        if self.decoded is None:
            raise NotSmall
        return self.decoded
