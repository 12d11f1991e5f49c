"""Closed loop: as many requests in flight as connections, each sending its next one once it is answered, by wrk."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).parent / "post.lua"
_TIMEOUT_S = 60


@dataclass(frozen=True)
class Body:
    """What is posted: a file that holds the body as it goes over the wire."""

    path: Path
    content_type: str


def command(url: str, body: Body, connections: int, seconds: float) -> list[str]:
    """One thread of wrk; it takes whole seconds."""
    wrk = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{max(1, round(seconds))}s"]
    return [*wrk, "--timeout", f"{_TIMEOUT_S}s", "--script", str(SCRIPT), url, "--", str(body.path), body.content_type]


def run(url: str, body: Body, connections: int, seconds: float) -> dict[str, float]:
    """Rates of good answers per second and percentiles of all answers in ms.

    Raises FileNotFoundError without wrk, CalledProcessError when it cannot connect.
    """
    try:
        done = subprocess.run(command(url, body, connections, seconds), capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise FileNotFoundError("wrk is not installed; Debian has it: apt-get install wrk") from error
    return parse(done.stdout)


def parse(output: str) -> dict[str, float]:
    """The result in wrk's output, without percentiles where nothing was answered. Raises ValueError without one."""
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise ValueError(f"wrk printed no result:\n{output}")
    values: dict[str, float] = json.loads(lines[-1])
    if not values["answers"]:  # then wrk calls all percentiles 0
        values = {name: value for name, value in values.items() if not name.endswith("_ms")}
    return values | {"per_s": (values["answers"] - values["failed"]) / values["seconds"]}
