"""The rules by which the repository folder decides what is served."""

import pytest

from service.repository.policy import kept_without_folder, with_defaults
from service.repository.state import RepositoryState, State, VersionRecord


def state(present: int | None = None, **states: State) -> RepositoryState:
    """Return a state of the model colours. states: by version, written v1. present: its default version so far."""
    records = (VersionRecord(f"colours/{name[1:]}", "aa", each) for name, each in states.items())
    defaults = {} if present is None else {"colours": present}
    return RepositoryState(versions={record.name: record for record in records}, defaults=defaults)


@pytest.mark.parametrize(
    ("rule", "present", "default"),
    [("latest", None, 2), ("latest", 1, 2), ("1", 2, 1), ("2", None, 2), ("02", None, 2)],
)
def test_the_default_is_the_one_of_the_file_or_the_newest_ready_one(
    rule: str, present: int | None, default: int
) -> None:
    """A version that is not ready is never the newest."""
    found = with_defaults(state(present, v1="ready", v2="ready", v3="warming"), {"colours": rule})
    assert (found.defaults, found.not_followed) == ({"colours": default}, {})


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("3", "the default version of colours should be 3, which is failed: damaged"),
        ("9", "the default version of colours should be 9, which is not there"),
        ("holds 'newest'", "the file colours/default holds 'newest'; write the number of a version, or latest"),
        ("", "the file colours/default "),
    ],
)
def test_a_default_that_cannot_be_followed_changes_nothing_and_is_said(rule: str, reason: str) -> None:
    """The present default stays; without one the model has none, since another version would be a surprise."""
    failed = state(1, v1="ready", v2="ready", v3="failed").with_version("colours/3", reason="damaged")
    found = with_defaults(failed, {"colours": rule})
    assert found.defaults == {"colours": 1}
    assert found.not_followed["colours"].startswith(reason)
    assert with_defaults(state(None, v1="ready"), {"colours": rule}).defaults == {}


def test_a_model_without_a_ready_version_has_no_default() -> None:
    """Nor is anything wrong with its file."""
    found = with_defaults(state(1, v1="failed", v2="discovered"), {})
    assert (found.defaults, found.not_followed) == ({}, {})


def test_a_deleted_version_retires_unless_it_is_the_last_or_the_wanted_one() -> None:
    """A model never loses its last ready version by a deletion."""
    record = VersionRecord("colours/1", "aa", "ready")
    assert kept_without_folder(record, [1, 2], "latest") == ""
    assert "last ready version" in kept_without_folder(record, [1], "latest")
    assert "by the file default" in kept_without_folder(record, [1, 2], "1")
