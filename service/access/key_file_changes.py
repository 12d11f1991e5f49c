"""Changes of the key file: a key is added or revoked in one step, so that no reader sees half a file."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from service.access.api_keys import ApiKey
from service.access.key_file import KeyFileError, id_on, line_of, parse_keys, read_content

_NEW_FILE_MODE = 0o600


def add_key(path: Path, key: ApiKey) -> None:
    """Add a line to the file, which is made where there is none. Raises KeyFileError."""
    _change(path, lambda text: text + "\n" * (text[-1:] not in ("", "\n")) + line_of(key) + "\n")


def revoke_keys(path: Path, wanted: str) -> ApiKey:
    """Remove the key with this ID, or the only one of this name, and return it. Raises KeyFileError."""
    revoked: list[ApiKey] = []

    def without(text: str) -> str:
        keys = parse_keys(text, path)
        found = [keys[wanted]] if wanted in keys else [key for key in keys.values() if key.name == wanted]
        if len(found) != 1:
            raise KeyFileError(_not_one(wanted, found, path))
        revoked.append(found[0])
        return "\n".join(line for line in text.split("\n") if id_on(line) != found[0].key_id)

    if not path.exists():
        read_content(path)  # raises with the reason
    _change(path, without)
    return revoked[0]


def _not_one(wanted: str, found: list[ApiKey], path: Path) -> str:
    if not found:
        return f"{path} has no key with the ID or the name {wanted!r}; snellen keys list shows all"
    ids = ", ".join(key.key_id for key in found)
    return f"{wanted} has {len(found)} keys; say which one to revoke by its ID: {ids}"


def _change(path: Path, changed: Callable[[str], str]) -> None:
    """Replace the file by what `changed` returns for its text. Owner, group and mode of an existing file stay.

    A link stays a link, and its target is replaced. Raises KeyFileError, also for a file that is not valid, which stays
    as it is.
    """
    target = Path(os.path.realpath(path))
    try:
        with _locked(target.parent):
            text = read_content(path) if target.exists() else ""
            parse_keys(text, path)
            written = changed(text)
            parse_keys(written, path)
            _replace(target, written.encode())
    except OSError as error:
        raise KeyFileError(f"the key file {path} cannot be written: {error.strerror}") from error


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other changes of files in the folder waiting, so that none is lost."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(target: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    try:
        with open(descriptor, "wb") as file:
            _keep_owner(target, file.fileno())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _keep_owner(target: Path, descriptor: int) -> None:
    """Give a new file the owner and the mode of the one that it replaces, or the mode 0600."""
    try:
        found = os.stat(target)
    except FileNotFoundError:
        os.fchmod(descriptor, _NEW_FILE_MODE)
        return
    new = os.fstat(descriptor)
    if (found.st_uid, found.st_gid) != (new.st_uid, new.st_gid):
        os.fchown(descriptor, found.st_uid, found.st_gid)
    os.fchmod(descriptor, found.st_mode & 0o777)
