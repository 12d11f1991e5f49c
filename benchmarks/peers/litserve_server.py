"""LitServe: one worker and one API server per core, one-thread sessions, no batching.

python -m benchmarks.peers.litserve_server PORT

Batching is no faster for these networks on a CPU; the default queue was not slower than `fast_queue` (ZeroMQ).
"""

import os
import sys
from typing import Any

import litserve as ls  # type: ignore[import-not-found]
from fastapi import Request

from benchmarks.peers.common import WORKERS, Classifier, answer


class Classify(ls.LitAPI):  # type: ignore[misc]
    """Classifies one image of a form."""

    def setup(self, device: str) -> None:
        self._classifier = Classifier()

    def decode_request(self, request: Request) -> Any:
        return self._classifier.pixels(request["image"].file.read())

    def predict(self, x: Any) -> Any:
        return self._classifier.run(x[None])[0]

    def encode_response(self, output: Any) -> dict[str, Any]:
        return answer(output)


if __name__ == "__main__":
    workers = int(os.environ[WORKERS])
    server = ls.LitServer(Classify(), accelerator="cpu", workers_per_device=workers)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=workers,
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )
