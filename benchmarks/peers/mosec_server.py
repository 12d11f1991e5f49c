"""mosec: one process per core with a one-thread session, dynamic batches, the image as the raw body.

python -m benchmarks.peers.mosec_server --port 8000

The process that runs the session decodes too: separate decoding processes would leave fewer cores for the session.
The batch size is the best of those tried for each network (4 for EfficientNet-Lite0, 8 for the two-conv network).
"""

import os
from typing import Any

import numpy as np
from mosec import Server, ValidationError, Worker  # type: ignore[import-not-found]

from benchmarks.peers.common import BATCH, WORKERS, Classifier, answer

WAIT_MS = 2
"""Longest wait for a batch to fill; 0 would mean mosec's default of 10 ms, and 1 ms was not faster."""


class Classify(Worker):  # type: ignore[misc]
    """Decodes images one by one and runs the network once per batch."""

    def __init__(self) -> None:
        super().__init__()
        self._classifier = Classifier()

    def deserialize(self, data: bytes) -> Any:
        try:
            return self._classifier.pixels(data)
        except (OSError, ValueError) as error:
            raise ValidationError(str(error)) from error

    def forward(self, data: list[Any]) -> list[dict[str, Any]]:
        return [answer(row) for row in self._classifier.run(np.stack(data))]


if __name__ == "__main__":
    server = Server()
    server.append_worker(
        Classify, num=int(os.environ[WORKERS]), max_batch_size=int(os.environ[BATCH]), max_wait_time=WAIT_MS
    )
    server.run()
