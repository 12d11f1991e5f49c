"""Options and headers of a request are checked strictly, with the name of the parameter in the error."""

import pytest
from fastapi.exceptions import RequestValidationError

from service.api.v1.params import QueryParams, read_all_options, read_deadline, read_options, read_priority
from service.types import Priority


def test_a_query_without_options_has_the_defaults() -> None:
    """An ordinary classification without a heatmap and without a prediction set."""
    assert read_options(b"") == QueryParams(dense=False, top_k=None, explain=None, coverage=None)


def test_options_are_read_from_the_query() -> None:
    """The values have their types."""
    options = read_options(b"top_k=2&explain=heatmap&coverage=0.5")
    assert (options.top_k, options.explain, options.coverage, options.dense) == (2, "heatmap", 0.5, False)
    assert read_options(b"dense=1").dense


def test_options_of_query_and_body_count_together() -> None:
    """A body has the options that the query has, as text."""
    assert read_all_options(b"top_k=2", {"explain": "heatmap"}) == QueryParams(top_k=2, explain="heatmap")
    with pytest.raises(RequestValidationError) as caught:
        read_all_options(b"dense=1", {"coverage": "0.5"})
    assert caught.value.errors()[0]["loc"] == ("query", "coverage")


@pytest.mark.parametrize(("query", "body"), [(b"top_k=2&top_k=2", {}), (b"top_k=2", {"top_k": "2"})])
def test_the_same_option_twice_is_refused(query: bytes, body: dict[str, str]) -> None:
    """In the query, or in query and body: which of the two is meant is unknown."""
    with pytest.raises(RequestValidationError) as caught:
        read_all_options(query, body)
    (error,) = caught.value.errors()
    assert error["loc"] == ("query", "top_k")
    assert "leave one of them out" in error["msg"]


@pytest.mark.parametrize(
    ("query", "place", "reason"),
    [
        (b"top_k=0", "top_k", "greater than or equal to 1"),
        (b"top_k=", "top_k", "valid integer"),
        (b"coverage=1", "coverage", "less than 1"),
        (b"coverage=nan", "coverage", "less than 1"),
        (b"explain=why", "explain", "'heatmap'"),
        (b"topk=1", "topk", "did you mean top_k?"),
        (b"Top-K=1", "Top-K", "did you mean top_k?"),
        (b"explian=heatmap", "explian", "did you mean explain?"),
        (b"model=imagenet", "model", "POST /v1/models/NAME/classify"),
        (b"version=1", "version", "POST /v1/models/NAME/versions/VERSION/classify"),
        (b"heatmap=1", "heatmap", "use explain=heatmap"),
        (b"timeout=5", "timeout", "the header X-Deadline-Ms"),
        (b"zzz=1", "zzz", "not a known parameter; the names are dense, top_k, explain, coverage"),
        (b"x" * 1000 + b"=1", "x" * 1000, "not a known parameter"),
        (b"dense=1&coverage=0.5", "coverage", "not possible together with dense=1"),
        (b"dense=1&explain=heatmap", "explain", "not possible together with dense=1"),
        (b"top_k=" + b"9" * 200 + b"x", "top_k", "valid integer"),
        (b"top_k=%ff", "top_k", "valid integer"),
    ],
)
def test_an_invalid_option_is_refused_with_its_name(query: bytes, place: str, reason: str) -> None:
    """A misspelt name is refused too, since the client would not notice that it is ignored."""
    with pytest.raises(RequestValidationError) as caught:
        read_options(query)
    (error,) = caught.value.errors()
    assert error["loc"] == ("query", place)
    assert reason in error["msg"]


def test_only_the_first_unknown_names_get_a_suggestion() -> None:
    """A query of thousands of names takes little time."""
    with pytest.raises(RequestValidationError) as caught:
        read_options(b"&".join(b"topk%d=1" % number for number in range(20)))
    messages = [error["msg"] for error in caught.value.errors()]
    assert len(messages) == 20
    assert [message for message in messages if "did you mean" in message] == messages[:8]


def test_a_refused_query_is_refused_again() -> None:
    """Queries are cached; an error is not, so that it cannot keep a request in memory."""
    errors = []
    for _ in range(2):
        with pytest.raises(RequestValidationError) as caught:
            read_options(b"top_k=-1")
        errors.append(caught.value)
    assert errors[0] is not errors[1]


def test_a_deadline_is_a_positive_number_of_milliseconds() -> None:
    """Anything else is refused with the name of the header."""
    assert read_deadline(b"250") == 250
    for header in (b"0", b"-1", b"soon", b"1.5", b"\xff", b""):
        with pytest.raises(RequestValidationError) as caught:
            read_deadline(header)
        assert caught.value.errors()[0]["loc"] == ("header", "X-Deadline-Ms")


def test_a_priority_is_interactive_or_bulk_in_any_case() -> None:
    """Anything else is refused with the name of the header and both values."""
    assert (read_priority(b"bulk"), read_priority(b"Interactive")) == (Priority.BULK, Priority.INTERACTIVE)
    with pytest.raises(RequestValidationError) as caught:
        read_priority(b"urgent")
    (error,) = caught.value.errors()
    assert error["loc"] == ("header", "X-Priority")
    assert "'interactive' or 'bulk'" in error["msg"]
