"""Closed loop: as many requests in flight as connections, each sending its next one once it is answered, by wrk."""

import json
import resource
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).parent / "post.lua"
WINDOW = (0.25, 0.95)
"""The part of a short load that counts: connections fill at its start, what is in flight at its end has no answer."""
_TIMEOUT_S = 60


@dataclass(frozen=True)
class Body:
    """What is posted: a file that holds the body as it goes over the wire."""

    path: Path
    content_type: str


def command(url: str, body: Body, connections: int, seconds: float, *, windowed: bool = False) -> list[str]:
    """One thread of wrk; it takes whole seconds."""
    whole = max(1, round(seconds))
    wrk = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{whole}s"]
    wrk += ["--timeout", f"{_TIMEOUT_S}s", "--script", str(SCRIPT), url, "--", str(body.path), body.content_type]
    return wrk + [f"{share * whole:g}" for share in WINDOW if windowed]


def run(url: str, body: Body, connections: int, seconds: float, *, windowed: bool = False) -> dict[str, float]:
    """Rates of good answers per second, of `WINDOW` only if wanted, percentiles of all answers in ms, wrk's CPU time.

    Raises FileNotFoundError without wrk, CalledProcessError when it cannot connect.
    """
    words, before = command(url, body, connections, seconds, windowed=windowed), _children_cpu_s()
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise FileNotFoundError("wrk is not installed; Debian has it: apt-get install wrk") from error
    return parse(done.stdout) | {"generator_cpu_s": _children_cpu_s() - before}


def _children_cpu_s() -> float:
    """Of those that have ended and were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def parse(output: str) -> dict[str, float]:
    """The result in wrk's output, without percentiles where nothing was answered. Raises ValueError without one."""
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise ValueError(f"wrk printed no result:\n{output}")
    values: dict[str, float] = json.loads(lines[-1])
    if not values["answers"]:  # then wrk calls all percentiles 0
        values = {name: value for name, value in values.items() if not name.endswith("_ms")}
    return values | {"per_s": _good_per_s(values)}


def _good_per_s(values: dict[str, float]) -> float:
    """Of a window it is known how many answers there were, not which failed: their share is that of the whole load."""
    answers = values["answers"]
    good = (answers - values["failed"]) / answers if answers else 0.0
    if "counted" in values:
        return good * values["counted"] / values["window_s"]
    return good * answers / values["seconds"]
