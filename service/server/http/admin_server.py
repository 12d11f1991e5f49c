"""uvicorn's HTTP protocol for the admin API, in an event loop that does other work too."""

import asyncio
import socket
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

_END_S = 1.0
"""Seconds until requests that are not answered are cancelled when the service ends."""
_LOOK_AGAIN_S = 0.01
"""Seconds between two looks at whether all connections have ended."""


class AdminServer:
    """Serves an application to the clients of a Unix socket. Handles no signals and logs nothing."""

    def __init__(self, app: ASGIApp) -> None:
        config = uvicorn.Config(
            app,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
        )
        config.load()
        self._state = ServerState()
        made: Any = config.http_protocol_class
        self._protocol = partial(made, config=config, server_state=self._state, app_state={})
        self._server: asyncio.AbstractServer | None = None

    async def start(self, listener: socket.socket) -> None:
        """Accept connections, also those that wait already."""
        self._server = await asyncio.get_running_loop().create_unix_server(self._protocol, sock=listener)

    async def stop(self) -> None:
        """Accept no more connections; cancel the requests that are not answered after a second. Ends within two."""
        if self._server is None:
            return
        self._server.close()
        for connection in [*self._state.connections]:
            connection.shutdown()
        if self._state.tasks:
            _, late = await asyncio.wait(self._state.tasks, timeout=_END_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        loop = asyncio.get_running_loop()
        end = loop.time() + _END_S
        while self._state.connections and loop.time() < end:  # noqa: ASYNC110 - the set belongs to uvicorn
            await asyncio.sleep(_LOOK_AGAIN_S)
