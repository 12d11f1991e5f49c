"""Refuses the images of clients that send more than their limit of images per second."""

import time
from collections.abc import Callable

from service.access.api_keys import ApiKey
from service.access.rate_limit import RateLimit, rate_limit
from service.access.rate_table import RateTable
from service.errors import RateLimited, TooManyImages
from service.settings import Settings
from service.types import UNKNOWN_CLIENT


class RateLimiter:
    """The limits of all clients. A key has its own limit or the one for keys; clients without a key have another."""

    def __init__(
        self,
        table: RateTable,
        *,
        of_keys: RateLimit | None = None,
        of_addresses: RateLimit | None = None,
        on_refused: Callable[[str], object] = lambda _name: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """of_keys: limit of each key that has none of its own. of_addresses: of each address without a key.

        on_refused: called with the name of the key, empty without one. clock: returns seconds, the same in all
        processes that share the table.
        """
        self._table, self._of_keys, self._of_addresses = table, of_keys, of_addresses
        self._on_refused, self._clock = on_refused, clock

    def take(self, key: ApiKey | None, client: int, images: int, *, counted: int = 0) -> None:
        """Count the images of a request, or count nothing and refuse them.

        key: None for a request without one. client: its identity. counted: those of the images that were counted
        before. Raises RateLimited, with the seconds after which the whole request may be sent again, and TooManyImages
        where it holds more than the client may send at once.
        """
        limit = self._limit_of(key, client)
        if limit is None or limit.unlimited:
            return
        sender = "this address" if key is None else "this API key"
        if images > limit.burst:
            self._count_refusal(key)
            raise TooManyImages(
                f"the request holds {images} images, and {sender} may send at most {limit.burst} at once; "
                "send them in several requests"
            )
        wait_s = self._table.take(client, limit, images - counted, self._clock())
        if wait_s:
            self._count_refusal(key)
            raise RateLimited(
                f"{sender} may send {limit.rate:g} images per second, and {limit.burst} at once after a pause; "
                "send the request again after the time in Retry-After",
                wait_s + counted / limit.rate,
            )

    def _limit_of(self, key: ApiKey | None, client: int) -> RateLimit | None:
        if key is not None:
            return key.limit or self._of_keys
        return self._of_addresses if client != UNKNOWN_CLIENT else None

    def _count_refusal(self, key: ApiKey | None) -> None:
        self._on_refused("" if key is None else key.name)


def has_limits(settings: Settings) -> bool:
    """Return whether a client can have a limit. A key may get one while the service runs."""
    return settings.keys is not None or settings.address_rate is not None


def limiter_of(settings: Settings, table: RateTable, on_refused: Callable[[str], object]) -> RateLimiter:
    """Return the limiter with the limits of the settings. on_refused: see RateLimiter."""
    rates = (settings.key_rate, settings.key_burst), (settings.address_rate, settings.address_burst)
    of_keys, of_addresses = (None if rate is None else rate_limit(rate, burst) for rate, burst in rates)
    return RateLimiter(table, of_keys=of_keys, of_addresses=of_addresses, on_refused=on_refused)
