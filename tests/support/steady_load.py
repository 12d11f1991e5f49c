"""Clients that ask one request after the other while servers come and go."""

import threading
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Self

from tests.support.pictures import picture


class SteadyLoad:
    """Clients that keep their connection to the proxy, and count what came back."""

    def __init__(self, host: str, path: str, clients: int = 4) -> None:
        """host: with its port. path: of classify, without the address. clients: connections at a time."""
        self.clients = clients
        self._host, self._path = host, path
        self._ended = threading.Event()
        self.answered = 0
        self.failed: list[str] = []
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        body = picture()
        with closing(HTTPConnection(self._host, timeout=60)) as connection:
            self._ask_on(connection, body)

    def _ask_on(self, connection: HTTPConnection, body: bytes) -> None:
        while not self._ended.is_set():
            try:
                connection.request("POST", self._path, body)
                answer = connection.getresponse()
                text = answer.read()
            except (OSError, HTTPException) as error:
                self.failed.append(repr(error))
                connection.close()
            else:
                self.answered += 1
                if answer.status != 200:
                    self.failed.append(f"{answer.status} {text[:200]!r}")
