"""Which limit holds for a request, and what a refusal says."""

import pytest

from service.access.api_keys import ApiKey, Scope, new_key
from service.access.rate_limit import RateLimit, rate_limit
from service.access.rate_limiter import RateLimiter, has_limits, limiter_of
from service.access.rate_table import RateTable
from service.errors import RateLimited, TooManyImages
from service.settings import Settings
from service.types import UNKNOWN_CLIENT

ADDRESS = 0x0A000001


def key_with(limit: RateLimit | None) -> ApiKey:
    return new_key("shop", frozenset({Scope.CLASSIFY}), limit=limit)[1]


class Limits:
    """A limiter at a moment that a test sets, and the names that it refused."""

    def __init__(self, of_keys: RateLimit | None = None, of_addresses: RateLimit | None = None) -> None:
        self.now, self.refused = 100.0, list[str]()
        self.limiter = RateLimiter(
            RateTable.of_this_process(),
            of_keys=of_keys,
            of_addresses=of_addresses,
            on_refused=self.refused.append,
            clock=lambda: self.now,
        )

    def take(self, key: ApiKey | None, images: int = 1, counted: int = 0, client: int = ADDRESS) -> None:
        self.limiter.take(key, client if key is None else int(key.key_id, 16), images, counted=counted)


def test_a_key_has_its_own_limit_or_that_of_all_keys() -> None:
    """One without an end is never refused; addresses have another limit."""
    limits = Limits(of_keys=RateLimit(1, 2), of_addresses=RateLimit(1, 1))
    default, own, unlimited = key_with(None), key_with(RateLimit(1, 5)), key_with(rate_limit(float("inf")))
    for sender, allowed in ((default, 2), (own, 5), (None, 1)):
        for _ in range(allowed):
            limits.take(sender)
        with pytest.raises(RateLimited):
            limits.take(sender)
    limits.take(unlimited, images=100_000)
    assert limits.refused == ["shop", "shop", ""]


def test_without_a_limit_nothing_is_counted() -> None:
    """Neither for keys without one, nor for addresses, nor where the address is not known."""
    limits = Limits()
    limits.take(key_with(None), images=100_000)
    limits.take(None, images=100_000)
    limits = Limits(of_addresses=RateLimit(1, 1))
    for _ in range(3):
        limits.take(None, client=UNKNOWN_CLIENT)


def test_a_refusal_says_the_limit_and_when_the_whole_request_may_come_again() -> None:
    """Its image that was counted at the head has to be paid for again."""
    limits = Limits(of_keys=RateLimit(2, 10))
    key = key_with(None)
    limits.take(key, images=8)
    limits.take(key)
    with pytest.raises(RateLimited) as refused:
        limits.take(key, images=5, counted=1)
    assert refused.value.detail == (
        "this API key may send 2 images per second, and 10 at once after a pause; send the request again after the "
        "time in Retry-After"
    )
    limits.now += refused.value.retry_after_s
    limits.take(key)
    limits.take(key, images=5, counted=1)


def test_more_than_a_burst_is_never_let_in_and_says_the_largest_number() -> None:
    """Another error than the other refusals: sending it again later does not help."""
    limits = Limits(of_addresses=RateLimit(100, 10))
    limits.take(None)
    with pytest.raises(TooManyImages) as refused:
        limits.take(None, images=11, counted=1)
    assert refused.value.detail == (
        "the request holds 11 images, and this address may send at most 10 at once; send them in several requests"
    )
    limits.take(None, images=10, counted=1)


def test_settings_make_the_limits() -> None:
    """A table is needed where a client has a limit, or where the key file may get one."""
    assert not has_limits(Settings())
    assert has_limits(Settings.model_validate({"keys": "keys"}))
    settings = Settings.model_validate({"address_rate": 0.001, "address_burst": 2})
    assert has_limits(settings)
    limiter = limiter_of(settings, RateTable.of_this_process(), lambda _name: None)
    limiter.take(None, ADDRESS, 2)
    with pytest.raises(RateLimited):
        limiter.take(None, ADDRESS, 1)
