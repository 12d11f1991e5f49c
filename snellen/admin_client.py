"""The client of the admin API: finds the socket of a running service, and sends it one call at a time."""

import json
import socket
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Thread
from typing import Any

from service.server.admin_socket import OFF, NoAdminSocket, connect, default_paths
from snellen.repository import variable

DEFAULT_PORT = 8000
"""Port of `snellen serve` without settings."""
_STATE_LIMIT_S = 30.0
"""Seconds for the answer to a question, which waits for no change of the models."""
_LOOK_AGAIN_S = 0.5
"""Seconds between two looks at the states while a change is being made."""


class Problem(Exception):
    """The service refuses a call. The message is the problem's detail. status: of HTTP."""

    def __init__(self, detail: str, status: int) -> None:
        super().__init__(detail)
        self.status = status


class NoService(Exception):
    """No service answers, or the socket is not to be trusted. The message says what to do."""


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path, timeout_s: float | None, named: bool) -> None:
        super().__init__("localhost")
        self._path, self._timeout_s, self._named = path, timeout_s, named

    def connect(self) -> None:
        self.sock: socket.socket = connect(self._path, self._timeout_s, self._named)


class AdminClient:
    """A running service."""

    def __init__(self, path: Path, named: bool = False) -> None:
        """named: whether the user named this socket, see `service.server.admin_socket.connect`."""
        self.path, self.named = path, named

    def state(self) -> dict[str, Any]:
        """Return what the service serves: the answer of GET /models. Raises NoService."""
        return self._call("GET", "/models", None, _STATE_LIMIT_S)

    def change(self, what: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a change, `load` for example, and return the answer, which may take minutes.

        Raises Problem, NoService.
        """
        return self._call("POST", f"/models/{what}", body, None)

    def change_while(
        self, what: str, body: Mapping[str, Any], show: Callable[[dict[str, Any], float], None]
    ) -> dict[str, Any]:
        """Make a change as `change` does, and call `show` with the state and the seconds since the call meanwhile."""
        outcome: list[dict[str, Any] | Exception] = []

        def work() -> None:
            try:
                outcome.append(self.change(what, body))
            except (Problem, NoService) as error:
                outcome.append(error)

        thread, began = Thread(target=work, daemon=True), time.monotonic()
        thread.start()
        while not outcome:
            thread.join(_LOOK_AGAIN_S)
            try:
                show(self.state(), time.monotonic() - began)
            except (Problem, NoService):
                continue  # the answer to the change says why
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None, timeout_s: float | None) -> dict[str, Any]:
        connection = _UnixConnection(self.path, timeout_s, self.named)
        try:
            connection.connect()
        except NoAdminSocket as error:
            raise NoService(str(error)) from error
        except OSError as error:
            raise NoService(f"no running service answers at {self.path} ({error.strerror})") from error
        try:
            text = json.dumps(body) if body is not None else None
            connection.request(method, path, text, {"Content-Type": "application/json"} if text else {})
            answer = connection.getresponse()
            content = json.loads(answer.read())
        except (OSError, HTTPException, ValueError) as error:
            raise NoService(
                f"the service at {self.path} has ended, or does not answer as a service of Snellen does"
            ) from error
        finally:
            connection.close()
        if answer.status != 200:
            raise Problem(str(content.get("detail", f"status {answer.status}")), answer.status)
        return dict(content)


def find_service(admin_socket: Path | None, port: int | None) -> AdminClient:
    """Return the client of a running service. Raises NoService with what to do where none answers.

    Without a socket or a port, the variables of the service name them: in its container they are the same.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise NoService("a running service is reached through a Unix socket, which this platform does not have")
    named = variable("SNELLEN_ADMIN_SOCKET") if admin_socket is None and port is None else None
    if named == OFF:
        raise NoService("SNELLEN_ADMIN_SOCKET is off, so the service has no admin socket")
    path = Path(named) if named else admin_socket
    if path is not None:
        paths, hint = [path], "start the service with the same --admin-socket, or name its socket"
    else:
        number = port if port is not None else _usual_port()
        paths = default_paths(number)
        hint = "start one with `snellen serve`, or name another one by --port, or its socket by --admin-socket"
    for each in paths:
        client = AdminClient(each, named=path is not None)
        if _answers(client):
            return client
    raise NoService(f"no running service answers at {' or '.join(map(str, paths))}; {hint}")


def _answers(client: AdminClient) -> bool:
    """Return whether a service listens. Raises NoService for a socket that is not to be trusted."""
    try:
        connect(client.path, _STATE_LIMIT_S, client.named).close()
    except NoAdminSocket as error:
        raise NoService(str(error)) from error
    except OSError:
        return False
    return True


def _usual_port() -> int:
    named = variable("SNELLEN_PORT") or ""  # Kubernetes sets it to tcp://..., as the service knows
    return int(named) if named.isdecimal() else DEFAULT_PORT
