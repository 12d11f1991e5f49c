"""Measure what the check of an API key adds to a request: microseconds of CPU time of the middleware alone.

    python -m benchmarks.micro.key_check [--keys 1000] [--rounds 9]

Printed for a request with a valid key: the shortest of the rounds, of which each has 20,000 requests. The application
behind the middleware does nothing, and its own time is taken off. Measured on 2 cores with AMX, 2026-11-29, while the
machine had other work: 4.0 us with 1,000 keys, 4.2 us with 10,000.
"""

import argparse
import asyncio
import time
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.api_keys import Scope as KeyScope
from service.access.api_keys import new_key
from service.access.key_file import line_of
from service.access.keyring import Keyring
from service.api.auth import ApiKeyMiddleware
from service.telemetry.metrics import Metrics

_REQUESTS = 20_000


async def _nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    pass


async def _no_message() -> Message:
    return {"type": "http.disconnect"}


async def _drop(_message: Message) -> None:
    pass


def keyring_of(count: int) -> tuple[str, Keyring]:
    """Return a key and a keyring that holds it among `count`."""
    keys = [new_key(f"client-{number}", frozenset({KeyScope.CLASSIFY})) for number in range(count)]
    content = "\n".join(line_of(entry) for _, entry in keys)
    return keys[0][0], Keyring(Path("keys"), content, announce=False)


async def microseconds(app: ASGIApp, headers: list[tuple[bytes, bytes]]) -> float:
    """Return the CPU time of one request, the mean of _REQUESTS."""
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/v1/classify",
        "root_path": "",
        "headers": headers,
        "state": {},
    }
    begun = time.process_time()
    for _ in range(_REQUESTS):
        await app(scope, _no_message, _drop)
    return (time.process_time() - begun) / _REQUESTS * 1e6


async def measure(keys: int, rounds: int) -> float:
    """Return the microseconds that the check adds, the shortest of the rounds."""
    key, keyring = keyring_of(keys)
    app = ApiKeyMiddleware(_nothing, keyring, Metrics().requests, lambda: None)
    headers = [
        (b"host", b"localhost:8000"),
        (b"user-agent", b"curl/8.5.0"),
        (b"accept", b"*/*"),
        (b"content-type", b"image/png"),
        (b"content-length", b"700"),
        (b"authorization", f"Bearer {key}".encode()),
    ]
    pairs = [(await microseconds(app, headers), await microseconds(_nothing, headers)) for _ in range(rounds)]
    return min(checked for checked, _ in pairs) - min(bare for _, bare in pairs)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=1000, help="keys in the file")
    parser.add_argument("--rounds", type=int, default=9, help="rounds, of which the shortest counts")
    options = parser.parse_args()
    added = asyncio.run(measure(options.keys, options.rounds))
    print(f"{added:.1f} us for a request, with {options.keys} keys")


if __name__ == "__main__":
    main()
