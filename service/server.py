"""uvicorn, with a drain that turns readiness off first, ends with status 0, and lets no connection wait for ever."""

import asyncio
import logging
import signal
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from service.connections import protocol
from service.lifecycle import Lifecycle
from service.settings import Settings

logger = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """On SIGTERM: unready for `drain_delay_s`, then no new connections, then the accepted requests, then the end."""

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle, drain_delay_s: float) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._drain_delay_s = drain_delay_s

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A second signal skips the delay, a third the drain. uvicorn would raise the signal again at its end."""
        if self._lifecycle.draining or sig == signal.SIGINT:
            self.force_exit = self.should_exit
            self.should_exit = True
        self._lifecycle.draining = True

    async def on_tick(self, counter: int) -> bool:
        if self._lifecycle.draining and not self.should_exit:
            logger.info("draining: unready for %g s, then accepted requests are answered", self._drain_delay_s)
            await asyncio.sleep(self._drain_delay_s)
            self.should_exit = True
        return await super().on_tick(counter)


def serve(app: FastAPI, settings: Settings, lifecycle: Lifecycle) -> bool:
    """Answer until a signal comes; false when the server could not start."""
    options: dict[str, Any] = {"http": protocol(settings.body_timeout_s, settings.max_connections), "ws": "none"}
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="auto",
        log_level=settings.log_level,
        access_log=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.drain_limit_s,
        **options,
    )
    server = Server(config, lifecycle, settings.drain_delay_s)
    server.run()
    return server.started
