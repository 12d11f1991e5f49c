"""The value that says what a service serves."""

from service.repository.state import RepositoryState, VersionRecord

STATE = RepositoryState(
    number=7,
    versions={
        "colours/10": VersionRecord("colours/10", "aa", "ready", profile={"batch_size": 4}),
        "colours/2": VersionRecord("colours/2", "bb", "failed", "red.png is missing"),
        "shades/1": VersionRecord("shades/1", "cc", "ready", "its folder is gone"),
    },
    default_model="colours",
    defaults={"colours": 10, "shades": 1},
    not_followed={"shades": "the default version of shades should be 2, which is not there"},
    passed_over={"odd": "holds no version"},
    broken=frozenset({"odd"}),
)


def test_a_state_arrives_in_another_process_as_it_was() -> None:
    """With everything in it."""
    assert RepositoryState.from_json(STATE.to_json()) == STATE


def test_versions_are_ordered_by_number() -> None:
    """10 comes after 2."""
    assert [record.number for record in STATE.of("colours")] == [2, 10]
    assert (STATE.models, STATE.ready("colours"), STATE.ready("odd")) == (["colours", "shades"], [10], [])


def test_a_change_leaves_the_state_before_as_it_was() -> None:
    """States are values."""
    changed = STATE.with_version("shades/1", state="retiring", reason=None).without("colours/2")
    assert changed.versions["shades/1"] == VersionRecord("shades/1", "cc", "retiring")
    assert "colours/2" not in changed.versions
    assert STATE.versions["shades/1"].state == "ready"
    assert STATE.ready("shades") == [1]
