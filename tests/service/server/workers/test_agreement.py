"""A process may serve with the others when it serves the same."""

import pytest

from service.repository.served_versions import ServedVersions
from service.server.workers.agreement import Agreement

FOUND = ServedVersions({"a/1": "one", "b/1": "two"})
LOADED = ServedVersions(FOUND.hashes, frozenset({"b/1"}))


def agreed(*, engines: bool = False) -> Agreement:
    """After the first process: it serves a/1, and b/1 was refused."""
    agreement = Agreement(engines=engines)
    assert agreement.found(FOUND) is None
    assert agreement.loaded(LOADED) is None
    return agreement


def test_what_the_first_process_has_loaded_is_what_others_have_to_load() -> None:
    """What it could not load included."""
    agreement = agreed()
    assert agreement.served == LOADED
    assert agreement.found(FOUND) is None
    assert agreement.loaded(LOADED) is None


@pytest.mark.parametrize(
    ("hashes", "reason"),
    [
        ({"a/1": "one"}, "b/1 cannot be read any more"),
        ({"a/1": "one", "b/1": "other"}, "b/1 has another manifest than the one that was verified"),
        ({"a/1": "one", "b/1": "two", "a/2": "three"}, "a/2 cannot be read any more"),
    ],
)
def test_a_process_that_found_something_else_is_refused(hashes: dict[str, str], reason: str) -> None:
    """Less, more, or another bundle of the same name."""
    assert agreed().found(ServedVersions(hashes)) == reason


@pytest.mark.parametrize("failed", [frozenset(), frozenset({"a/1", "b/1"})])
def test_a_process_that_loaded_something_else_is_refused(failed: frozenset[str]) -> None:
    """Else the newest version, which answers when none is named, would be another one there."""
    assert "was refused at load in one process" in (agreed().loaded(ServedVersions(FOUND.hashes, failed)) or "")


def test_engines_may_load_different_versions() -> None:
    """A version that one device has no room for is served by another, also after a restart of any process."""
    agreement = agreed(engines=True)
    assert agreement.served == FOUND
    assert agreement.loaded(FOUND) is None


def test_when_nobody_is_left_the_next_process_decides() -> None:
    """As at the start of the service."""
    agreement = agreed()
    agreement.forget()
    other = ServedVersions({"c/1": "three"})
    assert agreement.found(other) is None
    assert agreement.loaded(other) is None
    assert agreement.served == other


def test_what_is_served_is_the_same_on_the_other_side() -> None:
    """Of the message between two processes."""
    assert ServedVersions.from_json(LOADED.to_json()) == LOADED


def test_many_differences_are_counted() -> None:
    """A log line has an end."""
    many = ServedVersions({f"a/{number}": "one" for number in range(10)})
    assert many.difference({}) == "a/0, a/1, a/2 and 7 more cannot be read any more"
