"""Keys are added and revoked in one step; all that is not changed stays."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.access.api_keys import ApiKey, Scope, new_key
from service.access.key_file import KeyFileError, line_of, parse_keys
from service.access.key_file_changes import add_key, revoke_keys


def entry(name: str = "shop") -> ApiKey:
    return new_key(name, frozenset({Scope.READ}))[1]


def test_the_first_key_makes_the_file(tmp_path: Path) -> None:
    """Only its owner may read it, and nothing else is left in the folder."""
    path, key = tmp_path / "keys", entry()
    add_key(path, key)
    assert parse_keys(path.read_text(), path) == {key.key_id: key}
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["keys"]


def test_comments_and_other_keys_stay(tmp_path: Path) -> None:
    """Also where the last line has no end."""
    path, first, second = tmp_path / "keys", entry("first"), entry("second")
    path.write_text(f"# ours\n{line_of(first)} # a note")
    add_key(path, second)
    assert path.read_text() == f"# ours\n{line_of(first)} # a note\n{line_of(second)}\n"
    assert revoke_keys(path, "first") == first
    assert path.read_text() == f"# ours\n{line_of(second)}\n"


def test_mode_and_link_of_an_existing_file_stay(tmp_path: Path) -> None:
    """The service may read it as another user, and reach it by a link."""
    target, link = tmp_path / "target", tmp_path / "link"
    target.touch()
    target.chmod(0o640)
    link.symlink_to(target)
    add_key(link, entry())
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    assert len(parse_keys(target.read_text(), target)) == 1


def test_a_name_of_several_keys_is_not_revoked(tmp_path: Path) -> None:
    """The message has their IDs; each ID is revoked alone."""
    path, old, new = tmp_path / "keys", entry(), entry()
    add_key(path, old)
    add_key(path, new)
    with pytest.raises(KeyFileError, match=f"shop has 2 keys; say which one.* {old.key_id}, {new.key_id}"):
        revoke_keys(path, "shop")
    revoke_keys(path, old.key_id)
    assert list(parse_keys(path.read_text(), path)) == [new.key_id]
    with pytest.raises(KeyFileError, match="no key with the ID or the name 'shopp'"):
        revoke_keys(path, "shopp")


def test_a_file_that_is_not_valid_stays_as_it_is(tmp_path: Path) -> None:
    """It is refused with the line."""
    path = tmp_path / "keys"
    path.write_text("rubbish\n")
    for change in (lambda: add_key(path, entry()), lambda: revoke_keys(path, "rubbish")):
        with pytest.raises(KeyFileError, match="line 1"):
            change()
    assert path.read_text() == "rubbish\n"
    assert os.listdir(tmp_path) == ["keys"]


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    """And nothing is made."""
    with pytest.raises(KeyFileError, match="cannot be written: No such file"):
        add_key(tmp_path / "none" / "keys", entry())
    with pytest.raises(KeyFileError, match="cannot be read: No such file"):
        revoke_keys(tmp_path / "keys", "shop")
    assert os.listdir(tmp_path) == []


def test_changes_at_the_same_time_are_all_made(tmp_path: Path) -> None:
    """Each waits for the one before."""
    path, keys = tmp_path / "keys", [entry(f"client-{number}") for number in range(20)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda key: add_key(path, key), keys))
    assert parse_keys(path.read_text(), path).keys() == {key.key_id for key in keys}
