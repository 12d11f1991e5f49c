"""Room for pixels, and work in threads."""

from pathlib import Path

import numpy as np
import pytest

from training.data.pixel_storage import PixelStorage, default_cache
from training.errors import DatasetError


def test_memory_is_used_up_first(cache: Path) -> None:
    """All arrays together stay below the limit; what is larger than the rest goes to the cache."""
    storage = PixelStorage(cache, memory_bytes=100)
    kinds = [type(storage.empty((size, 1))) for size in (60, 60, 40, 1)]
    assert kinds == [np.ndarray, np.memmap, np.ndarray, np.memmap]


@pytest.mark.parametrize("shape", [(1 << 40, 1 << 20), (1 << 62,)])
def test_a_disk_without_room_is_said_at_once(cache: Path, shape: tuple[int, ...]) -> None:
    """Not by a crash in the middle of writing."""
    with pytest.raises(DatasetError, match=r"GB of pixels do not fit into .*cache .*set XDG_CACHE_HOME"):
        PixelStorage(cache).empty(shape)


def test_a_cache_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    """The message names it."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DatasetError, match="file .*set XDG_CACHE_HOME"):
        PixelStorage(tmp_path / "file", memory_bytes=0).empty((1,))


def test_the_cache_follows_the_desktop_s_convention(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """XDG_CACHE_HOME, or ~/.cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "snellen"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache() == tmp_path / ".cache" / "snellen"
