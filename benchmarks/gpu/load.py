"""Closed loop with several load generators at once, so that they are not the bottleneck; wrk where installed."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal

from benchmarks.load import closed_loop
from benchmarks.load.closed_loop import Body
from benchmarks.workloads import ROOT

Kind = Literal["wrk", "python"]


def kind() -> Kind:
    """Return which load generator this machine has."""
    return "wrk" if shutil.which("wrk") else "python"


def shares(connections: int, generators: int) -> list[int]:
    """Return the connections of each load generator, at least one each."""
    count = max(1, min(connections, generators))
    return [connections // count + (number < connections % count) for number in range(count)]


def run(which: Kind, url: str, body: Body, connections: int, seconds: float, generators: int = 1) -> dict[str, float]:
    """Return rates of all load generators together. Raises CalledProcessError, and ValueError without a result."""
    one: Callable[[int], dict[str, float]]
    if which == "wrk":
        one = partial(closed_loop.run, url, body, seconds=seconds)
    else:
        one = partial(_python, url, body, seconds=seconds)
    parts = shares(connections, generators)
    with ThreadPoolExecutor(len(parts)) as threads:
        return together(list(threads.map(one, parts)))


def _python(url: str, body: Body, connections: int, seconds: float) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.gpu.closed_python", url, str(body.path), body.content_type]
    command += ["--connections", str(connections), "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    values: dict[str, float] = json.loads(done.stdout)
    return values


def together(parts: list[dict[str, float]]) -> dict[str, float]:
    """Combine the results of several load generators.

    Counts and rates are summed. p50 is approximated by the mean weighted by answers; of other percentiles, the largest
    counts.
    """
    summed = ("answers", "failed", "timeouts", "socket_errors", "per_s")
    values = {name: sum(part[name] for part in parts) for name in summed}
    values["seconds"] = max(part["seconds"] for part in parts)
    answered = [part for part in parts if "p50_ms" in part]
    if answered:
        values["p50_ms"] = sum(p["p50_ms"] * p["answers"] for p in answered) / sum(p["answers"] for p in answered)
        values |= {name: max(part[name] for part in answered) for name in ("p90_ms", "p99_ms", "max_ms")}
    return values
