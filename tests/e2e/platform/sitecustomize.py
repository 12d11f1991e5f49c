"""Removes what the platform named by SNELLEN_TEST_PLATFORM lacks. Python imports this file when it is on the path."""

import builtins
import fcntl
import os
import resource
import socket
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from typing import Any


def _remove(module: object, *names: str) -> None:
    for name in names:
        if hasattr(module, name):
            delattr(module, name)


def _refuse(module: object, name: str, refused: Callable[..., bool], error: Exception) -> None:
    """Let a function raise `error` where `refused` says so of its arguments."""
    usual = getattr(module, name)

    def replacement(*arguments: Any, **options: Any) -> Any:
        if refused(*arguments):
            raise error
        return usual(*arguments, **options)

    setattr(module, name, replacement)


def no_memfd() -> None:
    """As built against a glibc before 2.27."""
    _remove(os, *(name for name in dir(os) if name.startswith("MFD_")), "memfd_create")


def no_packet_sockets() -> None:
    _refuse(
        socket,
        "socketpair",
        lambda *arguments: socket.SOCK_SEQPACKET in arguments,
        OSError(93, "Protocol not supported"),
    )


def no_close_on_exec_flag() -> None:
    _remove(socket, "MSG_CMSG_CLOEXEC")


def no_address_space_limit() -> None:
    error = ValueError("current limit exceeds maximum limit")
    _refuse(resource, "setrlimit", lambda kind, _limits: bool(kind == resource.RLIMIT_AS), error)


def no_proc() -> None:
    for module, name in (
        (builtins, "open"),
        (os, "open"),
        (os, "stat"),
        (os, "listdir"),
        (os, "scandir"),
        (os, "readlink"),
    ):
        _refuse(
            module,
            name,
            lambda path=".", *_: str(path).startswith("/proc"),
            FileNotFoundError(2, "No such file or directory"),
        )


def macos() -> None:
    for missing in (no_memfd, no_packet_sockets, no_close_on_exec_flag, no_address_space_limit, no_proc):
        missing()
    _remove(os, "sched_getaffinity", "sched_setaffinity", "eventfd", "EFD_CLOEXEC", "EFD_NONBLOCK", "pidfd_open")
    _remove(fcntl, *(name for name in dir(fcntl) if "SEAL" in name))


class _WindowsFromTheService(MetaPathFinder):
    """Changes the platform only when the service is imported: the standard library needs the real one."""

    def find_spec(self, fullname: str, _path: object = None, _target: object = None) -> None:
        if fullname == "service.__main__":
            sys.platform = "win32"
            sys.modules["fcntl"] = sys.modules["resource"] = None  # type: ignore[assignment]


def windows() -> None:
    sys.meta_path.insert(0, _WindowsFromTheService())


if platform := os.environ.get("SNELLEN_TEST_PLATFORM"):
    globals()[platform]()
