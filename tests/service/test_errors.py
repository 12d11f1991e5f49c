"""The errors of the service carry a text for the client, and can be freed of what they refer to."""

import pytest

from service.errors import CorruptImage, NotReady, QueueFull, ServiceError, released


def test_an_error_has_its_detail_as_text() -> None:
    """The detail is for the client, and the log shows the same text."""
    error = CorruptImage("send the whole file")
    assert isinstance(error, ServiceError)
    assert (error.detail, str(error)) == ("send the whole file", "send the whole file")


def test_a_refusal_tells_when_to_send_the_request_again() -> None:
    """The default is a second."""
    assert QueueFull("full").retry_after_s == 1
    assert NotReady("rejected", retry_after_s=60).retry_after_s == 60


def test_a_released_error_refers_to_no_frame() -> None:
    """Neither the error nor its causes keep a traceback, and so the body of the request, in memory."""
    try:
        try:
            try:
                raise KeyError("first")
            except KeyError:
                raise ValueError("second")  # noqa: B904  the context is implicit
        except ValueError as cause:
            raise CorruptImage("damaged") from cause
    except CorruptImage as error:
        second = error.__cause__
        assert second is not None
        first = second.__context__
        assert released(error) is error
        chain = [error, second, first]
    assert [(link and link.__traceback__, link and link.__cause__, link and link.__context__) for link in chain] == [
        (None, None, None)
    ] * 3
    with pytest.raises(CorruptImage, match="damaged"):
        raise chain[0]  # type: ignore[misc]
