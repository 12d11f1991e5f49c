"""The keys that are valid now, and how they follow their file."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access.key_file import KeyFileError
from service.access.keyring import Keyring
from tests.support.api_keys import write_keys


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@asynccontextmanager
async def watched(keyring: Keyring) -> AsyncIterator[None]:
    task = asyncio.create_task(keyring.watch())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - nothing tells of a change
            await asyncio.sleep(0.02)


def _logged(caplog: pytest.LogCaptureFixture, text: str) -> bool:
    return text in caplog.text


async def until_found(keyring: Keyring, key: str, *, found: bool = True) -> None:
    await until(lambda: (keyring.find(key.encode()) is not None) is found)


def read(path: Path) -> str:
    return path.read_text()


def write(path: Path, content: str | bytes) -> None:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def test_a_listed_key_is_found(path: Path) -> None:
    """By the whole key only."""
    keys = write_keys(path, shop="classify", lab="read")
    keyring = Keyring(path)
    for name, key in keys.items():
        found = keyring.find(key.encode())
        assert found is not None
        assert found.name == name


@given(st.data())
def test_nothing_else_is_found(data: st.DataObject) -> None:
    """Neither random bytes, nor a key with one character changed, nor the ID of one key with the secret of another."""
    one, two = (f"snl_{digit * 12}_{digit * 64}" for digit in "12")
    lines = [f"x id={key[4:16]} sha256={_sha256(key)} scopes=read" for key in (one, two)]
    keyring = Keyring(Path("keys"), "\n".join(lines), announce=False)
    place = data.draw(st.integers(0, len(one) - 1))
    changed = one[:place].encode() + data.draw(st.binary(min_size=1, max_size=1)) + one[place + 1 :].encode()
    for tried in (data.draw(st.binary(max_size=100)), changed, (one[:17] + two[17:]).encode(), one.upper().encode()):
        assert keyring.find(tried) is None or tried == one.encode()


def _sha256(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def test_an_empty_file_refuses_every_key(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And the log says so."""
    caplog.set_level(logging.INFO)
    path.touch()
    assert Keyring(path).find(b"") is None
    assert "none, so every request that needs a key is refused" in caplog.text


def test_a_file_that_is_not_valid_is_refused(path: Path) -> None:
    """At the start; a process that starts later uses what was valid last."""
    write_keys(path, shop="read")
    good = path.read_text()
    path.write_text(f"{good}rubbish\n")
    with pytest.raises(KeyFileError, match="line 2"):
        Keyring(path)
    assert Keyring(path, good).content == good


async def test_a_change_is_followed(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Keys come and go without a restart; the log has their number and not the keys."""
    caplog.set_level(logging.INFO)
    old = write_keys(path, shop="read")["shop"]
    keyring = Keyring(path)
    async with watched(keyring):
        new = write_keys(path, shop="read", lab="metrics")
        await until_found(keyring, new["shop"])
        assert keyring.find(old.encode()) is None
    assert "were read again: 2 keys of 2 clients" in caplog.text
    assert new["shop"][17:] not in caplog.text


async def test_links_are_followed_by_their_path(path: Path, tmp_path: Path) -> None:
    """Kubernetes exchanges a link to a folder; the files of both folders never change."""
    for name in ("first", "second"):
        os.mkdir(tmp_path / name)
    old, new = (write_keys(tmp_path / name / "keys", shop="read")["shop"] for name in ("first", "second"))
    os.symlink("first", tmp_path / "..data")
    os.symlink("..data/keys", path)
    keyring = Keyring(path)
    assert keyring.find(old.encode()) is not None
    async with watched(keyring):
        os.symlink("second", tmp_path / "..data_tmp")
        os.replace(tmp_path / "..data_tmp", tmp_path / "..data")
        await until_found(keyring, new)
        assert keyring.find(old.encode()) is None


async def test_the_old_keys_stay_while_the_file_cannot_be_used(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The reason is logged once, whatever it is; a repaired file is used."""
    caplog.set_level(logging.INFO)
    key = write_keys(path, shop="read")["shop"]
    good = read(path)
    keyring = Keyring(path)
    async with watched(keyring):
        for content, reason in (
            (None, "No such file"),
            (f"{good}\nx\n", "line 3: id= is missing"),
            (b"\xff", "not UTF-8"),
        ):
            if content is None:
                os.unlink(path)
            else:
                write(path, content)
            await until(partial(_logged, caplog, reason))
            await asyncio.sleep(1.2)
            assert caplog.text.count(reason) == 1
            assert "the keys stay as they were" in caplog.text
            assert keyring.find(key.encode()) is not None
        write(path, good)
        await until(lambda: "can be read again; its keys have not changed" in caplog.text)
        write(path, "")
        await until_found(keyring, key, found=False)


async def test_a_file_that_is_being_written_is_not_taken_for_an_empty_one(path: Path) -> None:
    """An editor empties a file before it writes; a change has to be there twice."""
    key = write_keys(path, shop="read")["shop"]
    good = read(path)
    keyring = Keyring(path)
    async with watched(keyring):
        for _ in range(3):
            write(path, "")
            await asyncio.sleep(0.3)
            write(path, good)
            for _ in range(4):
                await asyncio.sleep(0.3)
                assert keyring.find(key.encode()) is not None


async def test_a_frontend_logs_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The main process does, once."""
    caplog.set_level(logging.INFO)
    write_keys(path, shop="read")
    keyring = Keyring(path, read(path), announce=False)
    async with watched(keyring):
        new = write_keys(path, shop="read")["shop"]
        await until_found(keyring, new)
        os.unlink(path)
        await asyncio.sleep(1.2)
    assert caplog.text == ""
