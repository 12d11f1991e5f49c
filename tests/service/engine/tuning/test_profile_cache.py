"""What was measured is found again, and a cache that cannot be used stops nobody."""

import logging
import os
from pathlib import Path

import pytest

from service.engine.profile import BatchSeconds, Measurement, Profile
from service.engine.tuning import profile_cache as module
from service.engine.tuning.profile_cache import ProfileCache, default_folder, key_of


def profile(seconds: float = 0.01) -> Profile:
    chosen = Measurement(
        precision="fp32", provider="cpu", concurrency=1, threads_per_batch=1, batch_size=1, seconds=seconds
    )
    return Profile(chosen=chosen, points=(BatchSeconds(1, seconds),), alone_s=seconds, reason="there was no other")


def test_what_was_put_is_got(tmp_path: Path) -> None:
    """By another object of the same folder, and only under its key."""
    ProfileCache(tmp_path).put("a", profile())
    assert ProfileCache(tmp_path).get("a") == profile()
    assert ProfileCache(tmp_path).get("b") is None


def test_a_key_tells_facts_apart() -> None:
    """In any order."""
    assert key_of({"cpu": "x", "cores": 2}) == key_of({"cores": 2, "cpu": "x"})
    assert key_of({"cpu": "x", "cores": 2}) != key_of({"cpu": "x", "cores": 4})


def test_the_first_of_several_profiles_is_kept(tmp_path: Path) -> None:
    """All that add one get it; a damaged one is replaced, and where nothing is stored each has its own."""
    cache = ProfileCache(tmp_path)
    assert cache.add("a", profile(0.01)) == profile(0.01)
    assert ProfileCache(tmp_path).add("a", profile(0.02)) == profile(0.01) == cache.get("a")
    assert [path.name for path in (tmp_path / "profiles").iterdir()] == ["a.json"]
    (tmp_path / "profiles" / "a.json").write_text("{")
    assert cache.add("a", profile(0.03)) == profile(0.03) == cache.get("a")
    assert ProfileCache(None).add("a", profile(0.04)) == profile(0.04)


def test_processes_of_the_same_id_do_not_write_to_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of two containers with one volume; here the second one starts before the first one has ended."""
    link = os.link

    def link_while_another_writes(unfinished: Path, path: Path) -> None:
        link(unfinished, path)
        monkeypatch.setattr("os.link", link)
        ProfileCache(tmp_path).add("a", profile(0.02))
        assert ProfileCache(tmp_path).get("a") == profile(0.01)

    monkeypatch.setattr("os.link", link_while_another_writes)
    assert ProfileCache(tmp_path).add("a", profile(0.01)) == profile(0.01)


def test_a_file_system_without_hard_links_keeps_profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There the last profile wins; reading and writing go on."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    assert ProfileCache(tmp_path).add("a", profile(0.01)) == profile(0.01)
    assert ProfileCache(tmp_path).add("a", profile(0.02)) == profile(0.02) == ProfileCache(tmp_path).get("a")
    assert [path.name for path in (tmp_path / "profiles").iterdir()] == ["a.json"]


@pytest.mark.parametrize("text", ["", "{", "{}", '{"chosen": 1}'])
def test_a_damaged_file_is_measured_again(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    """One line says so, and the next profile takes its place."""
    cache = ProfileCache(tmp_path)
    cache.put("a", profile())
    next((tmp_path / "profiles").iterdir()).write_text(text)
    assert cache.get("a") is None
    assert len(caplog.records) == 1
    cache.put("a", profile())
    assert cache.get("a") == profile()


def test_an_unwritable_folder_is_done_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Here a file stands in its place."""
    (tmp_path / "profiles").write_text("")
    caplog.set_level(logging.INFO)
    ProfileCache(tmp_path).put("a", profile())
    assert ["is not kept" in record.message for record in caplog.records] == [True]
    ProfileCache(None).put("a", profile())
    assert ProfileCache(None).get("a") is None


def test_the_oldest_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder does not grow for ever, and nothing half written is left."""
    monkeypatch.setattr(module, "_MOST_FILES", 3)
    cache = ProfileCache(tmp_path)
    for key in "abcde":
        cache.put(key, profile())
    assert len(list((tmp_path / "profiles").iterdir())) == 3
    assert cache.get("e") == profile()


def test_the_folder_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the desktop's rules have it."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_folder() == Path("/somewhere/snellen")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert default_folder() == Path("/home/someone/.cache/snellen")
