"""The versions that the processes of a service agree on."""

from service.repository.served_versions import ServedVersions

SERVED = ServedVersions({"colours/1": "aa", "colours/2": "bb"}, frozenset({"colours/2"}))


def test_another_process_reads_the_same_versions() -> None:
    """JSON keeps the hashes and the versions that were rejected."""
    assert ServedVersions.from_json(SERVED.to_json()) == SERVED


def test_an_unchanged_folder_has_no_difference() -> None:
    """A version that was added to the folder is no difference, because it is not served."""
    assert SERVED.difference({"colours/1": "aa", "colours/2": "bb"}) is None
    assert SERVED.difference({"colours/1": "aa", "colours/2": "bb", "colours/3": "cc"}) is None


def test_a_difference_names_missing_and_changed_versions() -> None:
    """The log says which version is missing, and which has another manifest."""
    difference = SERVED.difference({"colours/2": "other"})
    assert difference == (
        "colours/1 cannot be read any more; colours/2 has another manifest than the one that was verified"
    )


def test_a_long_list_of_missing_versions_is_cut() -> None:
    """Three names and the number of further ones fit in a line of the log."""
    many = ServedVersions({f"colours/{number}": "aa" for number in range(1, 6)})
    assert many.difference({}) == "colours/1, colours/2, colours/3 and 2 more cannot be read any more"
