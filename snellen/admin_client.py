"""The client of the admin API: finds the socket or the port of a running service, and sends it one call at a time."""

import json
import os
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from service.server.admin_socket import OFF, NoAdminSocket, connect, default_paths
from snellen.repository import variable

KEY_VARIABLE = "SNELLEN_KEY"
"""Variable that holds the API key. There is no option for it: options are shown in the list of processes."""
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
    """A running service, reached through its admin socket."""

    def __init__(self, path: Path, named: bool = False) -> None:
        """named: whether the user named this socket, see `service.server.admin_socket.connect`."""
        self.path, self.named = path, named
        self.place = str(path)

    def _connection(self, timeout_s: float | None) -> HTTPConnection:
        return _UnixConnection(self.path, timeout_s, self.named)

    def _headers(self) -> dict[str, str]:
        return {}

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
        connection = self._connection(timeout_s)
        try:
            connection.connect()
        except NoAdminSocket as error:
            raise NoService(str(error)) from error
        except ssl.SSLCertVerificationError as error:
            raise NoService(
                f"the certificate of {self.place} is not accepted ({error.verify_message}); the variable SSL_CERT_FILE "
                "may name a file with the authority that has signed it"
            ) from error
        except ssl.SSLError as error:
            raise _no_https(self.place, error) from error
        except OSError as error:
            raise NoService(f"no running service answers at {self.place} ({error.strerror or error})") from error
        try:
            text = json.dumps(body) if body is not None else None
            headers = {"Content-Type": "application/json"} if text else {}
            connection.request(method, path, text, headers | self._headers())
            answer = connection.getresponse()
            content = json.loads(answer.read())
        except ssl.SSLError as error:  # with TLS 1.3 a server refuses a client after the client's part of the handshake
            raise _no_https(self.place, error) from error
        except (OSError, HTTPException, ValueError) as error:
            raise NoService(
                f"the service at {self.place} has ended, or does not answer as a service of Snellen does"
            ) from error
        finally:
            connection.close()
        if answer.status != 200:
            raise Problem(str(content.get("detail", f"status {answer.status}")), answer.status)
        return dict(content)


class PortClient(AdminClient):
    """A running service, reached through its admin port."""

    def __init__(self, url: str, key: str) -> None:
        """url: scheme, host and port, as in https://photos.example:9000. Raises NoService for any other text."""
        try:
            parts = urlsplit(url)
            self._host, self._port = parts.hostname or "", parts.port
            others = parts.path.strip("/") or parts.query or parts.fragment or parts.username or parts.password
        except ValueError:
            self._host, others = "", ""
        if not self._host or others or parts.scheme not in {"http", "https"}:
            raise NoService(f"{url!r} is no address of an admin port; write it as in http://127.0.0.1:9000")
        self.place, self._key, self._tls = url.rstrip("/"), key, parts.scheme == "https"

    def state(self) -> dict[str, Any]:
        """Return what `AdminClient.state` does. Raises NoService for the address of the public port too."""
        try:
            return super().state()
        except Problem as problem:
            if problem.status != 404:
                raise
            raise NoService(f"{self.place} is no admin port; see --admin-port of `snellen serve`") from problem

    def _connection(self, timeout_s: float | None) -> HTTPConnection:
        if self._tls:
            return HTTPSConnection(self._host, self._port, timeout=timeout_s, context=ssl.create_default_context())
        return HTTPConnection(self._host, self._port, timeout=timeout_s)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}"}


def find_service(admin_socket: Path | None, port: int | None, url: str | None = None) -> AdminClient:
    """Return the client of a running service. Raises NoService with what to do where none answers.

    Without a socket, a port or an address, the variables of the service name them: in its container they are the same.
    url: address of the admin port, for which the variable SNELLEN_KEY has the key.
    """
    if url is not None:
        if admin_socket is not None or port is not None:
            raise NoService("--admin names a service already; leave --admin-socket and --port out")
        return PortClient(url, _key())
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


def _no_https(place: str, error: ssl.SSLError) -> NoService:
    """Return the error for a connection that is no HTTPS, or that the service refuses."""
    reason = (error.reason or str(error)).replace("_", " ")
    if "CERTIFICATE REQUIRED" in reason:
        return NoService(
            f"{place} takes only clients with a certificate, which this command cannot show; use the admin socket, or "
            "curl --cert"
        )
    return NoService(f"there is no HTTPS with {place}: OpenSSL says {reason}")


def _key() -> str:
    """Return the API key of the environment. Raises NoService where there is none that can be sent."""
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key:
        raise NoService(f"--admin takes a key with the scope admin in the variable {KEY_VARIABLE}; see docs/keys.md")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise NoService(f"{KEY_VARIABLE} holds no API key: it has characters that no key has")
    return key


def _usual_port() -> int:
    named = variable("SNELLEN_PORT") or ""  # Kubernetes sets it to tcp://..., as the service knows
    return int(named) if named.isdecimal() else DEFAULT_PORT
