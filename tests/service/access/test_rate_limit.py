"""Limits of images per second, as numbers and as words of the key file."""

import math

import pytest

from service.access.rate_limit import RateLimit, rate_limit, read_burst, read_limit, read_rate, words_of


def test_the_burst_is_that_of_one_second_unless_it_is_given() -> None:
    """And at least one image, since no request could be answered otherwise."""
    assert [rate_limit(rate).burst for rate in (0.001, 1, 1.5, 10)] == [1, 1, 2, 10]
    assert rate_limit(10, 3) == RateLimit(10, 3)
    assert str(rate_limit(0.5, 64)) == "0.5 images/s, 64 at once"


def test_a_key_may_have_no_limit() -> None:
    """Where others have one."""
    limit = read_limit("unlimited", None)
    assert limit is not None
    assert (limit.unlimited, str(limit), words_of(limit)) == (True, "unlimited", {"rate": "unlimited"})
    assert not rate_limit(1_000_000).unlimited
    assert read_limit(None, None) is None


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "-0.0", "nan", "inf", "1e7", "1000001", "0.0009", "10/s", "ten", "9" * 5000]
)
def test_an_absurd_rate_is_refused(text: str) -> None:
    """With the range; a long text is not repeated whole."""
    with pytest.raises(ValueError, match="is no rate; write images per second as a number from 0.001 to") as refused:
        read_rate(text)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "nan", "1000001", "1e3", "٣", "9" * 5000])
def test_an_absurd_burst_is_refused(text: str) -> None:
    """A whole number of images, at least one."""
    with pytest.raises(ValueError, match="is no burst; write the images at once as a whole number from 1 to"):
        read_burst(text)


def test_the_ends_of_the_ranges_are_permitted() -> None:
    """Both are read."""
    assert (read_rate("0.001"), read_rate("1000000"), read_rate("unlimited")) == (0.001, 1_000_000, math.inf)
    assert (read_burst("1"), read_burst("1000000")) == (1, 1_000_000)
