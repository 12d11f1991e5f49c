"""Answers on the admin socket beside the other work of a process, in its event loop.

The HTTP libraries are loaded at the first connection: the main process of several has no other use for them.
"""

import asyncio
import importlib
import logging
import socket
from collections.abc import Callable
from typing import Any

from service.server.admin_socket import AdminSocket, NoAdminSocket, open_admin_socket
from service.settings import Settings

logger = logging.getLogger(__name__)


class AdminListener:
    """The admin API of one process. Without a socket, as by `--admin-socket off`, it does nothing."""

    def __init__(self, settings: Settings, port: int, make_app: Callable[[], Any]) -> None:
        """Make the socket, or log one warning why there is none. Answers from `start` on.

        port: on which the service answers. make_app: imports and returns the ASGI application; called in a thread.
        """
        self._make_app = make_app
        self._server: Any = None
        self._task: asyncio.Task[None] | None = None
        self._socket: AdminSocket | None = None
        try:
            self._socket = open_admin_socket(settings.admin_socket, port)
        except NoAdminSocket as error:
            logger.warning(
                "`snellen models` cannot reach this service: %s; see --admin-socket, where `off` is possible too", error
            )

    def start(self) -> None:
        """Answer, from inside the event loop."""
        if self._socket is not None:
            logger.info("`snellen models` reaches this service through %s", self._socket.path)
            asyncio.get_running_loop().add_reader(self._socket.listener.fileno(), self._first, self._socket.listener)

    def _first(self, listener: socket.socket) -> None:
        """Begin to serve with the first connection, which waits in the backlog meanwhile."""
        asyncio.get_running_loop().remove_reader(listener.fileno())
        self._task = asyncio.ensure_future(self._serve(listener))

    async def _serve(self, listener: socket.socket) -> None:
        module = await asyncio.to_thread(importlib.import_module, "service.server.http.admin_server")
        app = await asyncio.to_thread(self._make_app)
        self._server = module.AdminServer(app)
        await self._server.start(listener)

    async def close(self) -> None:
        """Remove the socket; requests that are not answered within a second get 503."""
        if self._socket is None:
            return
        admin, self._socket = self._socket, None
        if self._task is None:
            asyncio.get_running_loop().remove_reader(admin.listener.fileno())
        else:
            await self._task
        admin.remove()
        if self._server is not None:
            await self._server.stop()
        admin.listener.close()
