"""One process's side of `/metrics`: sends its own metrics, and fetches those of all processes for its clients."""

import asyncio
import itertools
from collections.abc import Sequence

from service.errors import NotReady
from service.server.workers.control_channel import SCRAPE, SNAPSHOT, ControlChannel, read_memfd, to_memfd
from service.telemetry.metrics import Metrics
from service.telemetry.snapshot import rendered, taken

_PATIENCE_S = 3.0
"""Seconds to wait for the metrics of all processes."""


class MetricsClient:
    """Exchanges metrics through `channel`, once that is set."""

    def __init__(self, metrics: Metrics) -> None:
        self.channel: ControlChannel | None = None
        self._metrics = metrics
        self._asked: dict[int, asyncio.Future[bytes]] = {}
        self._numbers = itertools.count()

    async def scrape(self) -> bytes:
        """Return the metrics of all processes in Prometheus's text format. Raises NotReady."""
        number = next(self._numbers)
        came: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asked[number] = came
        try:
            async with asyncio.timeout(_PATIENCE_S):
                if self.channel is not None:
                    self.channel.send(SCRAPE, str(number).encode())
                return rendered(await came)
        except TimeoutError:
            raise NotReady("the metrics of the other processes did not arrive; ask again") from None
        finally:
            del self._asked[number]

    def hear(self, kind: bytes, text: bytes, descriptors: Sequence[int]) -> None:
        """Handle a SNAPSHOT or SCRAPE message of the main process."""
        if kind == SNAPSHOT and self.channel is not None:
            self.channel.send(SNAPSHOT, text, [to_memfd(taken(self._metrics.registry))])
        elif kind == SCRAPE:
            snapshot, came = read_memfd(descriptors[0]), self._asked.get(int(text))
            if came is not None and not came.done():
                came.set_result(snapshot)
