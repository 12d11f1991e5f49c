"""Open loop: send requests at a constant rate, whether or not earlier ones are answered.

    python -m benchmarks.load.open_loop URL BODY CONTENT_TYPE --rate 100 --seconds 5 --deadline-ms 1000

Latency counts from the time at which a request was due, so it includes the wait for a connection and delays of this
load generator (no coordinated omission). One process, one thread; the result is printed as JSON.
"""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import numpy as np
import typer
import uvloop

from benchmarks.load.open_loop_client import LOST, OpenLoopClient
from models.contract import usable_cores

REFUSALS = (429, 503)
LATE_MS = 50.0
"""The load generator was too slow when its p99 of (time sent - time due) is above this, in ms."""
WARM_UP = 0.25
"""First share of a load that does not count as goodput, because the queue of the server fills then."""
_GRACE_S = 1.0
"""Wait for answers after the deadline of the last request."""


def summarize(client: OpenLoopClient, rate: float, seconds: float, deadline_s: float) -> dict[str, float]:
    """Return rates, percentiles in ms and the state of the load generator.

    good: answers of status 200 within the deadline. accepted: all requests but refusals, including lost ones.
    """
    begin = WARM_UP * seconds
    timely = [status == 200 and took <= deadline_s for status, took in client.answers]
    good = sum(ok and begin <= at < seconds for ok, at in zip(timely, client.answered_s, strict=True))
    answered = np.array([took for status, took in client.answers if status == 200])
    accepted = np.array([took for status, took in client.answers if status not in REFUSALS])
    late_ms = float(np.percentile(client.lateness_s, 99)) * 1000
    return {
        "rate_per_s": rate,
        "seconds": seconds,
        "sent": len(client.lateness_s),
        "good_per_s": good / (seconds - begin),
        "accepted_p99_ms": _percentiles(accepted).get("p99_ms", 0.0),
        "late_p99_ms": late_ms,
        "generator_saturated": float(late_ms > LATE_MS),
        **_percentiles(answered),
    }


def _percentiles(seconds: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> dict[str, float]:
    if not len(seconds):
        return {}
    values = np.percentile(seconds, (50, 90, 99, 100)) * 1000
    return dict(zip(("p50_ms", "p90_ms", "p99_ms", "max_ms"), map(float, values), strict=True))


def request(path: str, host: str, body: bytes, content_type: str, deadline_ms: int) -> bytes:
    """Return the bytes of one HTTP request with a deadline."""
    head = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Type: {content_type}"]
    head += [f"Content-Length: {len(body)}", f"X-Deadline-Ms: {deadline_ms}"]
    return "\r\n".join([*head, "", ""]).encode() + body


def main(
    url: str,
    body: Path,
    content_type: str,
    rate: Annotated[float, typer.Option(min=0.1, help="Requests per second.")] = 100,
    seconds: Annotated[float, typer.Option(min=0.1)] = 5,
    deadline_ms: Annotated[int, typer.Option(min=1)] = 1000,
) -> None:
    """Send at a constant rate and print the result as JSON."""
    target = urlsplit(url)
    host, port = target.hostname or "127.0.0.1", target.port or 80
    message = request(target.path or "/", f"{host}:{port}", body.read_bytes(), content_type, deadline_ms)
    client = OpenLoopClient(host, port, message)
    before_s = time.process_time()
    uvloop.run(client.run(rate, seconds, deadline_ms / 1000 + _GRACE_S))
    cpu_s = time.process_time() - before_s
    values = summarize(client, rate, seconds, deadline_ms / 1000) | {
        "generator_cpu_s": cpu_s,
        "generator_share": cpu_s / seconds / usable_cores(),
    }
    statuses = Counter("lost" if status == LOST else str(status) for status, _ in client.answers)
    print(json.dumps({"values": values, "statuses": statuses}))


if __name__ == "__main__":
    typer.run(main)
