"""The Unix socket of the admin API: where it is, who may use it, and how a stale one is replaced.

Only the standard library is imported, since the command line reads this module too.
"""

import contextlib
import os
import socket
import stat
import sys
import tempfile
import time
from pathlib import Path

OFF = "off"
"""Value of the setting `admin_socket` for none."""
MAX_PATH_BYTES = 107 if sys.platform == "linux" else 103
"""Longest path of a Unix socket: `sun_path` in unix(7) without its last byte, which is zero."""
_BACKLOG = 16
_TRY_AGAIN_S = 0.02
"""Seconds until a client tries again to connect while many others do."""
_MODE = 0o600
_FOLDER_MODE = 0o700
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class NoAdminSocket(Exception):
    """The socket cannot be made, or is not to be trusted. The message says what to change."""


def default_paths(port: int) -> list[Path]:
    """Return the paths of the socket of the service on a port, best first, in folders that only this user can enter.

    The service takes the first that is possible; a client may have another environment and tries all.
    """
    name, folders = f"{port}.sock", list[Path]()
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime) and os.path.isdir(runtime):
        folders.append(Path(runtime) / "snellen")
    try:
        temporary = tempfile.gettempdir()
    except (
        FileNotFoundError
    ):  # no folder can be written to, as in a read-only container; the socket then cannot be made
        temporary = "/tmp"  # noqa: S108 - the owner of the folder in it is checked
    folders.append(Path(temporary) / f"snellen-{os.getuid()}")
    return [folder / name for folder in folders]


def require_short(path: Path) -> None:
    """Raise NoAdminSocket where no Unix socket can have this path."""
    length = len(os.fsencode(os.path.abspath(path)))
    if length > MAX_PATH_BYTES:
        raise NoAdminSocket(
            f"{path} is no path for a Unix socket: it has {length} bytes, and at most {MAX_PATH_BYTES} are possible; "
            "name a shorter one with --admin-socket"
        )


class AdminSocket:
    """A listening socket of mode 0600, and its file."""

    def __init__(self, path: Path) -> None:
        """Make the folder and the socket; replaces the file of a service that has ended. Raises NoAdminSocket."""
        self.path = Path(os.path.abspath(path))
        require_short(self.path)
        _make_folder(self.path.parent)
        try:
            self.listener = self._bound()
            found = os.lstat(self.path)
        except OSError as error:
            raise NoAdminSocket(f"{self.path} cannot be made: {error.strerror}") from error
        self._identity = found.st_dev, found.st_ino

    def remove(self) -> None:
        """Remove the file, unless it is another one by now. Connections can be accepted until `listener` is closed."""
        with contextlib.suppress(OSError):
            found = os.lstat(self.path)
            if (found.st_dev, found.st_ino) == self._identity:
                os.unlink(self.path)

    def _bound(self) -> socket.socket:
        _remove_stale(self.path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with contextlib.suppress(OSError):  # Linux makes the file with this mode, others do not
                os.fchmod(listener.fileno(), _MODE)
            listener.bind(str(self.path))
            os.chmod(self.path, _MODE)
            listener.listen(_BACKLOG)
            listener.setblocking(False)
        except BaseException:
            listener.close()
            raise
        return listener


def _make_folder(folder: Path) -> None:
    """Make the folder of a socket if there is none.

    Raises NoAdminSocket where other users could put a socket of their own there.
    """
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=_FOLDER_MODE)
        found = os.stat(folder)
        link = os.lstat(folder)
    except OSError as error:
        raise NoAdminSocket(f"the folder {folder} cannot be made or entered: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode):
        raise NoAdminSocket(f"{folder} is no folder")
    if {found.st_uid, link.st_uid} - {os.getuid(), 0}:
        raise NoAdminSocket(f"the folder {folder} belongs to another user (uid {found.st_uid})")
    if found.st_mode & _OTHERS_MAY_WRITE and not found.st_mode & stat.S_ISVTX:
        raise NoAdminSocket(f"other users may write in the folder {folder}; it should have the mode 0700")


def _remove_stale(path: Path) -> None:
    """Remove the socket of a service that has ended. Raises NoAdminSocket for any other file, OSError."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise NoAdminSocket(f"{path} is there and is no socket; remove it or name another one")
    if found.st_uid != os.getuid():
        raise NoAdminSocket(f"{path} belongs to another user (uid {found.st_uid})")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)
        try:
            client.connect(str(path))
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:  # it listens, and many clients wait
            pass
    raise NoAdminSocket(f"another service that is running has the admin socket {path}")


def open_admin_socket(setting: str | None, port: int) -> AdminSocket | None:
    """Return the socket of the settings, None where it is off. Raises NoAdminSocket where it cannot be made.

    setting: a path, `off`, or None for the default one. port: on which the service answers.
    """
    if setting == OFF:
        return None
    if setting is not None:
        return AdminSocket(Path(setting))
    *others, last = default_paths(port)
    for path in others:
        with contextlib.suppress(NoAdminSocket):
            return AdminSocket(path)
    return AdminSocket(last)


def connect(path: Path, timeout_s: float | None, named: bool = False) -> socket.socket:
    """Return a connection to the service behind a socket. Raises OSError where none answers.

    named: whether the user named this socket. Raises NoAdminSocket where the socket belongs neither to this user nor to
    root, since another user may have put it there to answer in the place of the service. Root may name any socket.
    """
    require_short(path)
    found = os.stat(path)
    if found.st_uid not in {os.getuid(), 0} and not (named and os.getuid() == 0):
        raise NoAdminSocket(
            f"{path} belongs to another user (uid {found.st_uid}); run this command as the user who runs the service"
        )
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(timeout_s)
    try:
        _connect_within(client, str(path), timeout_s)
    except BaseException:
        client.close()
        raise
    return client


def _connect_within(client: socket.socket, path: str, timeout_s: float | None) -> None:
    """Connect a socket that has this timeout, and wait while many other clients do. Raises OSError.

    The kernel itself lets only sockets without a timeout wait for room in the backlog.
    """
    end = time.monotonic() + (timeout_s or 0)
    while True:
        try:
            client.connect(path)
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(_TRY_AGAIN_S)
        else:
            return
