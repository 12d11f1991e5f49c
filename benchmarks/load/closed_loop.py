"""Closed loop with wrk: each connection has one request in flight and sends the next one after the answer."""

import json
import resource
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).parent / "post.lua"
WINDOW = (0.25, 0.95)
"""Start and end of the window in which answers count, as shares of a short load's duration.

Connections open at the start, and requests in flight at the end have no answer.
"""
_TIMEOUT_S = 60


@dataclass(frozen=True)
class Body:
    """A request body: the file that holds the bytes to send, and its content type."""

    path: Path
    content_type: str


def command(url: str, body: Body, connections: int, seconds: float, *, windowed: bool = False) -> list[str]:
    """Return wrk's command line with one thread; wrk accepts whole seconds only. windowed: count within WINDOW only."""
    whole = max(1, round(seconds))
    wrk = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{whole}s"]
    wrk += ["--timeout", f"{_TIMEOUT_S}s", "--script", str(SCRIPT), url, "--", str(body.path), body.content_type]
    return wrk + [f"{share * whole:g}" for share in WINDOW if windowed]


def run(url: str, body: Body, connections: int, seconds: float, *, windowed: bool = False) -> dict[str, float]:
    """Run wrk. Return good answers per second, percentiles of all answers in ms, and wrk's CPU time in seconds.

    windowed: count answers within WINDOW only.

    Raises FileNotFoundError without wrk, CalledProcessError when it cannot connect.
    """
    words, before = command(url, body, connections, seconds, windowed=windowed), _children_cpu_s()
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise FileNotFoundError("wrk is not installed; Debian has it: apt-get install wrk") from error
    return parse(done.stdout) | {"generator_cpu_s": _children_cpu_s() - before}


def _children_cpu_s() -> float:
    """Return the CPU time of child processes that have ended and were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def parse(output: str) -> dict[str, float]:
    """Parse wrk's output; without answers there are no percentiles. Raises ValueError when there is no result."""
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise ValueError(f"wrk printed no result:\n{output}")
    values: dict[str, float] = json.loads(lines[-1])
    if not values["answers"]:  # wrk prints 0 for all percentiles
        values = {name: value for name, value in values.items() if not name.endswith("_ms")}
    return values | {"per_s": _good_per_s(values)}


def _good_per_s(values: dict[str, float]) -> float:
    """Return the good answers per second.

    The number of answers within the window is known, but not which of them failed: the failed share is that of the
    whole load.
    """
    answers = values["answers"]
    good = (answers - values["failed"]) / answers if answers else 0.0
    if "counted" in values:
        return good * values["counted"] / values["window_s"]
    return good * answers / values["seconds"]
