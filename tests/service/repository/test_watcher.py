"""A folder is looked at again and again, and every change is noticed once."""

import asyncio
import logging
from pathlib import Path

import pytest

from service.repository.watcher import Watcher, signature
from tests.support.bundles import write_bundle

LONG_S = 10


def test_a_signature_changes_with_every_kind_of_change(tmp_path: Path) -> None:
    """A file is added, written, replaced or removed; looking changes nothing."""
    folder = write_bundle(tmp_path)
    seen = [signature(tmp_path)]
    assert signature(tmp_path) == seen[0]
    next(path for path in tmp_path.rglob("*") if path.is_file()).chmod(0o600)
    seen.append(signature(tmp_path))
    (tmp_path / "colours/default").write_text("1")
    seen.append(signature(tmp_path))
    (folder / "golden/red.png").write_bytes(b"other")
    seen.append(signature(tmp_path))
    (folder / "golden/red.png").unlink()
    seen.append(signature(tmp_path))
    write_bundle(tmp_path, version=2)
    seen.append(signature(tmp_path))
    (tmp_path / "away").symlink_to("nowhere")
    seen.append(signature(tmp_path))
    assert len(set(seen)) == len(seen)
    assert signature(tmp_path / "not-there") != signature(tmp_path)


async def test_every_change_is_followed_once(tmp_path: Path) -> None:
    """The first look counts as a change; a look at the same folder does not."""
    changes = asyncio.Queue[int]()

    async def changed() -> None:
        changes.put_nowait(1)

    watching = asyncio.create_task(Watcher(tmp_path, changed, interval_s=0.01).run())
    await asyncio.wait_for(changes.get(), LONG_S)
    (tmp_path / "colours").mkdir()
    await asyncio.wait_for(changes.get(), LONG_S)
    await asyncio.sleep(0.1)
    assert changes.empty()
    watching.cancel()


async def test_a_change_that_cannot_be_followed_does_not_end_the_watch(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has the error, and the next change is followed."""
    caplog.set_level(logging.ERROR)
    calls = asyncio.Queue[int]()

    async def changed() -> None:
        calls.put_nowait(1)
        raise OSError("away")

    watching = asyncio.create_task(Watcher(tmp_path, changed, interval_s=0.01).run())
    await asyncio.wait_for(calls.get(), LONG_S)
    (tmp_path / "colours").mkdir()
    await asyncio.wait_for(calls.get(), LONG_S)
    await asyncio.sleep(0)
    assert caplog.text.count("could not be followed") == 2
    watching.cancel()
