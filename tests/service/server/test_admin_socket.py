"""The file of the admin socket: who may use it, and what happens to one that is there already."""

import os
import socket
import stat
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from threading import Timer

import pytest

from service.server.admin_socket import (
    MAX_PATH_BYTES,
    AdminSocket,
    NoAdminSocket,
    connect,
    default_paths,
    open_admin_socket,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a short name for sockets."""
    return tmp_path / "s"


def test_only_the_user_of_the_service_can_connect(folder: Path) -> None:
    """Folder 0700, socket 0600, whatever the umask says."""
    before = os.umask(0)
    try:
        made = AdminSocket(folder / "a.sock")
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(made.path).st_mode) == 0o600
    connect(made.path, 1).close()
    made.remove()
    made.listener.close()
    assert not made.path.exists()


def test_the_socket_of_a_service_that_has_ended_is_replaced(folder: Path) -> None:
    """It was killed, and could not remove it."""
    AdminSocket(folder / "a.sock").listener.close()
    made = AdminSocket(folder / "a.sock")
    connect(made.path, 1).close()
    made.listener.close()


def test_the_socket_of_a_living_service_is_not_replaced(folder: Path) -> None:
    """Also when so many clients wait that it takes no more."""
    living = AdminSocket(folder / "a.sock")
    waiting = []
    for _ in range(100):
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        waiting.append(client)
        try:
            client.connect(str(living.path))
        except BlockingIOError:
            break
    with pytest.raises(NoAdminSocket, match="another service that is running has the admin socket"):
        AdminSocket(folder / "a.sock")
    for each in (*waiting, living.listener):
        each.close()


def test_a_file_that_is_no_socket_stays(folder: Path) -> None:
    """It may be anything."""
    folder.mkdir()
    (folder / "a.sock").write_text("precious")
    with pytest.raises(NoAdminSocket, match="is there and is no socket; remove it or name another one"):
        AdminSocket(folder / "a.sock")
    assert (folder / "a.sock").read_text() == "precious"


def test_another_file_of_the_same_name_is_not_removed(folder: Path) -> None:
    """A service that has lost its file to another one leaves that alone."""
    made = AdminSocket(folder / "a.sock")
    made.path.unlink()
    made.path.write_text("of another one")
    made.remove()
    made.listener.close()
    assert made.path.exists()


def test_a_folder_in_which_others_may_write_is_not_used(folder: Path) -> None:
    """They could put a socket of their own in the place."""
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(NoAdminSocket, match="other users may write in the folder"):
        AdminSocket(folder / "a.sock")
    folder.chmod(0o1777)  # as /tmp: nobody can replace the files of others
    AdminSocket(folder / "a.sock").listener.close()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_what_another_user_has_made_is_not_used(folder: Path) -> None:
    """A folder, a link to a folder of our own, or a socket."""
    folder.mkdir()
    os.chown(folder, 12345, 12345)
    with pytest.raises(NoAdminSocket, match=r"the folder .* belongs to another user \(uid 12345\)"):
        AdminSocket(folder / "a.sock")
    link = folder.with_name("l")
    link.symlink_to(folder.parent)
    os.chown(link, 12345, 12345, follow_symlinks=False)
    with pytest.raises(NoAdminSocket, match="belongs to another user"):
        AdminSocket(link / "a.sock")
    os.chown(folder, 0, 0)
    made = AdminSocket(folder / "a.sock")
    os.chown(made.path, 12345, 12345)
    with pytest.raises(NoAdminSocket, match="run this command as the user who runs the service"):
        connect(made.path, 1)
    connect(made.path, 1, named=True).close()  # root has named it
    with pytest.raises(NoAdminSocket, match="belongs to another user"):
        AdminSocket(folder / "a.sock")
    made.listener.close()


def test_a_path_that_is_too_long_is_refused_with_the_limit(tmp_path: Path) -> None:
    """Before anything is made."""
    path = tmp_path / ("n" * MAX_PATH_BYTES)
    with pytest.raises(NoAdminSocket, match=f"at most {MAX_PATH_BYTES} are possible; name a shorter one"):
        AdminSocket(path)
    with pytest.raises(NoAdminSocket, match="no path for a Unix socket"):
        connect(path, 1)


def test_a_folder_that_cannot_be_made_is_named(folder: Path) -> None:
    """Its parent is missing, or is a file."""
    with pytest.raises(NoAdminSocket, match="cannot be made or entered: No such file or directory"):
        AdminSocket(folder / "deeper" / "a.sock")
    folder.write_text("")
    with pytest.raises(NoAdminSocket, match="is no folder"):
        AdminSocket(folder / "a.sock")


def test_the_default_is_in_the_runtime_folder_or_in_that_for_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one is taken where the first is not possible; `off` makes none."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    own = tmp_path / f"snellen-{os.getuid()}" / "8000.sock"
    assert default_paths(8000) == [tmp_path / "snellen" / "8000.sock", own]
    (tmp_path / "snellen").write_text("not a folder")
    made = open_admin_socket(None, 8000)
    assert made is not None
    assert made.path == own
    made.listener.close()
    monkeypatch.setenv("XDG_RUNTIME_DIR", "relative")
    assert default_paths(8000) == [own]
    assert open_admin_socket("off", 8000) is None


def test_a_named_path_is_the_only_one(folder: Path) -> None:
    """No other is tried in its place."""
    made = open_admin_socket(str(folder / "mine"), 8000)
    assert made is not None
    assert made.path == folder / "mine"
    made.listener.close()


def test_without_a_writable_folder_there_is_a_path_nevertheless(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a read-only container; making the socket there fails with a reason."""

    def none() -> str:
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "gettempdir", none)
    (path,) = default_paths(8000)
    assert path.name == "8000.sock"


def test_a_client_waits_while_many_others_connect(folder: Path) -> None:
    """The kernel refuses a socket with a timeout at once while the backlog is full."""
    with closing(AdminSocket(folder / "admin.sock").listener) as listener:
        waiting = list[socket.socket]()
        with suppress(OSError):
            while len(waiting) < 100:
                waiting.append(connect(folder / "admin.sock", timeout_s=0))
        assert len(waiting) < 100
        accepting = Timer(0.2, _accept, [listener])
        accepting.start()
        connect(folder / "admin.sock", timeout_s=20).close()
        accepting.join()
        for client in waiting:
            client.close()


def _accept(listener: socket.socket) -> None:
    listener.accept()[0].close()
