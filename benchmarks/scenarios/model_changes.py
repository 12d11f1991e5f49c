"""Measure what clients notice of model versions that change under load, in each shape of the service.

    .venv/bin/python -m benchmarks.scenarios.model_changes [SHAPE ...] [--swaps 20] [--seconds 20] [--no-damage]

Ten keep-alive clients send 100 requests/s in all, whether or not answers come in time. First nothing changes, for the
usual latency; then a new version of the model is put into the repository folder and SIGHUP is sent, again and again,
and the version before the last one is deleted. With damage, bundles come in between that are damaged, whose golden
images differ, or whose graph crashes the runtime.

For each shape the program prints a row of the Markdown table in docs/changing-models.md. The exit status is 1 when a
request fails that should not, when a version answers that was never ready, when the 99th percentile during the changes
is more than twice the usual one, when a version still answers more than 1 s after the next one first did, or when
memory grows by more than 5 % from the fifth to the last change.
"""

import http.client
import itertools
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Annotated, Any

import psutil  # type: ignore[import-untyped]
import typer

from benchmarks.harness.server_process import free_port
from benchmarks.scenarios.faults import encoded_jpeg
from benchmarks.workloads import ROOT

_MODEL = "fashion-mnist"
_CLIENTS, _REQUESTS_PER_S = 10, 100
_READY_S = 900.0
_MEMORY_FROM = 5
"""Changes after which memory is compared with that after the last change."""
_MOST_GROWTH, _MOST_P99, _MOST_BETWEEN_S = 1.05, 2.0, 1.0
SHAPES = {
    "one process": ("--frontends", "1"),
    "two frontends": ("--frontends", "2"),
    "two frontends, one engine": ("--frontends", "2", "--engines", "1"),
}
DAMAGE = ("a damaged file", "wrong golden images", "a graph that crashes the runtime")


@dataclass
class Counts:
    """What the clients saw: answers by status, lost requests, and latencies of good answers (s)."""

    statuses: Counter[int] = field(default_factory=Counter)
    answers: list[tuple[int, float, float]] = field(default_factory=list)
    """Of each good answer the version, and the times (s, monotonic) when the request was sent and answered."""
    lost: int = 0
    latencies: list[float] = field(default_factory=list)

    @property
    def failed(self) -> int:
        return self.lost + sum(count for status, count in self.statuses.items() if status != 200)

    @property
    def p99_ms(self) -> float:
        return statistics.quantiles(self.latencies, n=100)[98] * 1000

    @property
    def versions(self) -> set[int]:
        return {version for version, _, _ in self.answers}

    @property
    def between_s(self) -> float:
        """Longest time, in seconds, for which a version answered new requests after the next one had first answered."""
        first, last = dict[int, float](), dict[int, float]()
        for version, sent, answered in self.answers:
            first[version] = min(first.get(version, answered), answered)
            last[version] = max(last.get(version, sent), sent)
        versions = sorted(first)
        return max((last[old] - first[new] for old, new in itertools.pairwise(versions)), default=0.0)


@dataclass
class Outcome:
    """One shape: counts without and with changes, memory (MiB) by change, versions that were ready, refused bundles."""

    usual: Counts
    changing: Counts
    memory: list[float]
    ready: set[int]
    refused: int = 0

    @property
    def growth(self) -> float:
        """Memory after the last change, relative to that after the fifth; 1 if there were fewer."""
        return self.memory[-1] / self.memory[_MEMORY_FROM - 1] if len(self.memory) > _MEMORY_FROM else 1.0

    @property
    def problems(self) -> list[str]:
        """What breaks the promise, in words."""
        found = [f"{self.changing.failed} requests failed"] * bool(self.changing.failed)
        strange = self.changing.versions - self.ready
        found += [f"versions {sorted(strange)} answered and were never ready"] * bool(strange)
        ratio = self.changing.p99_ms / self.usual.p99_ms
        found += [f"the 99th percentile was {ratio:.2f} times the usual one"] * (ratio > _MOST_P99)
        slow = self.changing.between_s
        found += [f"a version answered {slow:.2f} s after the next one first did"] * (slow > _MOST_BETWEEN_S)
        return found + [f"memory grew to {self.growth:.2f} times"] * (self.growth > _MOST_GROWTH)


class Clients:
    """Keep-alive clients that send at fixed times; one that is late sends at once."""

    def __init__(self, port: int) -> None:
        self._port, self._body = port, encoded_jpeg((40, 30))
        self._ended = threading.Event()
        self._counts = Counts()
        self._threads: list[threading.Thread] = []

    @contextmanager
    def sending(self) -> Iterator[Counts]:
        """Send until the end of the block, and wait for the last answers."""
        self._counts, self._ended = Counts(), threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(_CLIENTS)]
        for thread in self._threads:
            thread.start()
        try:
            yield self._counts
        finally:
            self._ended.set()
            for thread in self._threads:
                thread.join()

    def _run(self, number: int) -> None:
        period_s = _CLIENTS / _REQUESTS_PER_S
        due, connection = time.monotonic() + number / _REQUESTS_PER_S, self._connection()
        while not self._ended.is_set():
            time.sleep(max(0.0, due - time.monotonic()))
            sent, due = due, due + period_s
            try:
                begun = time.monotonic()
                connection.request("POST", f"/v1/models/{_MODEL}/classify", self._body)
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException):
                self._counts.lost += 1
                connection.close()
                connection = self._connection()
                continue
            self._counts.statuses[answer.status] += 1
            if answer.status == 200:
                answered = time.monotonic()
                self._counts.latencies.append(answered - sent)
                self._counts.answers.append((int(json.loads(body)["version"]), begun, answered))
        connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)


class Service:
    """A running service over a repository folder of its own, and changes of that folder."""

    def __init__(self, process: "Popen[bytes]", port: int, folder: Path, original: Path) -> None:
        self.process, self.port, self._folder, self._original = process, port, folder, original
        self._numbers = itertools.count(2)

    def publish(self, damage: str = "") -> int:
        """Add a version, manifest last, tell the service, and return its number."""
        number = next(self._numbers)
        hidden = self._folder / _MODEL / f".{number}"
        shutil.copytree(self._original, hidden)
        manifest = json.loads((hidden / "manifest.json").read_text()) | {"version": number}
        if damage == DAMAGE[0]:
            (hidden / "model.onnx").write_bytes((hidden / "model.onnx").read_bytes()[:-1] + b"x")
        elif damage == DAMAGE[1]:
            rows = json.loads((hidden / "golden/probabilities.json").read_text())
            turned = {path: row[1:] + row[:1] for path, row in rows.items()}
            _replace(hidden, manifest, "golden/probabilities.json", json.dumps(turned).encode())
        elif damage == DAMAGE[2]:
            _replace(hidden, manifest, "model.onnx", _crashing_graph())
        (hidden / "manifest.json").write_text(json.dumps(manifest))
        hidden.rename(hidden.with_name(str(number)))
        self.rescan()
        return number

    def delete(self, number: int) -> None:
        shutil.rmtree(self._folder / _MODEL / str(number), ignore_errors=True)
        self.rescan()

    def rescan(self) -> None:
        os.kill(self.process.pid, signal.SIGHUP)

    def state_of(self, number: int) -> str:
        """Return the state of a version as one frontend shows it; `gone` if it shows none."""
        with suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            connection.request("GET", "/v1/models")
            listed = json.loads(connection.getresponse().read())["models"]
            connection.close()
            states = (each["state"] for each in listed if (each["name"], each["version"]) == (_MODEL, str(number)))
            return next(states, "gone")
        return "unknown"

    def wait_for(self, number: int, *states: str) -> str:
        """Wait until a version has one of these states, and return it. Raises TimeoutError."""
        end_s = time.monotonic() + _READY_S
        while (state := self.state_of(number)) not in states:
            if time.monotonic() > end_s:
                raise TimeoutError(f"{_MODEL}/{number} is {state}")
            time.sleep(0.05)
        return state

    def processes(self) -> list[Any]:
        """Return all processes of the service that serve, the main one first."""
        main = psutil.Process(self.process.pid)
        return [main, *(child for child in main.children(recursive=True) if _serves(child))]

    def memory_mib(self) -> float:
        """Return the proportional set size of all processes."""
        return sum(float(each.memory_full_info().pss) for each in self.processes()) / 2**20


def _serves(process: Any) -> bool:
    with suppress(psutil.NoSuchProcess):
        return any(part.endswith((".frontend", ".engine_process")) for part in process.cmdline())
    return False


def _replace(folder: Path, manifest: dict[str, Any], path: str, content: bytes) -> None:
    """Write a file and list it in the manifest with its size and hash."""
    (folder / path).write_bytes(content)
    changed = {"path": path, "sha256": sha256(content).hexdigest(), "bytes": len(content)}
    manifest["files"] = [file for file in manifest["files"] if file["path"] != path] + [changed]


def _crashing_graph() -> bytes:
    """Return a graph that divides the smallest int32 by -1 when it is opened: the processor raises SIGFPE."""
    import numpy as np  # noqa: PLC0415
    import onnx  # noqa: PLC0415
    from onnx import numpy_helper  # noqa: PLC0415

    graph = onnx.load(ROOT / "models" / _MODEL / "2" / "model.onnx")
    smallest = numpy_helper.from_array(np.full(1, np.iinfo(np.int32).min, np.int32), "crash_smallest")
    minus = numpy_helper.from_array(np.full(1, -1, np.int32), "crash_minus")
    graph.graph.initializer.extend([smallest, minus])
    graph.graph.node.append(onnx.helper.make_node("Div", ["crash_smallest", "crash_minus"], ["crash_result"]))
    graph.graph.output.append(onnx.helper.make_tensor_value_info("crash_result", onnx.TensorProto.INT32, [1]))
    serialized: bytes = graph.SerializeToString()
    return serialized


@contextmanager
def started(flags: tuple[str, ...]) -> Iterator[Service]:
    """Run a service of this shape over a folder with one version; enter once it is ready."""
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        original, folder = ROOT / "models" / _MODEL / "2", Path(name) / "models"
        first = folder / _MODEL / "1"
        shutil.copytree(original, first)
        manifest = json.loads((first / "manifest.json").read_text()) | {"version": 1}
        (first / "manifest.json").write_text(json.dumps(manifest))
        command = [sys.executable, "-m", "service", "--port", str(port), "--models", str(folder), *flags]
        process = Popen(command, stdout=DEVNULL, stderr=DEVNULL, cwd=ROOT)
        service = Service(process, port, folder, original)
        try:
            service.wait_for(1, "ready")
            yield service
        finally:
            for each in [*service.processes(), psutil.Process(process.pid)][::-1]:
                with suppress(psutil.NoSuchProcess):
                    each.kill()
            process.wait()


def measure(flags: tuple[str, ...], swaps: int, seconds: float, *, damage: bool) -> Outcome:
    """Return what clients and memory showed, without changes and with them."""
    with started(flags) as service:
        clients = Clients(service.port)
        with clients.sending() as usual:
            time.sleep(seconds)
        outcome = Outcome(usual, Counts(), [], {1})
        with clients.sending() as outcome.changing:
            newest = 1
            for swap in range(swaps):
                if damage:
                    bad = service.publish(DAMAGE[swap % len(DAMAGE)])
                    service.wait_for(bad, "failed")
                    service.delete(bad)
                    outcome.refused += 1
                number = service.publish()
                outcome.ready.add(number)
                service.wait_for(number, "ready")
                service.delete(newest)
                service.wait_for(newest, "gone")
                newest = number
                outcome.memory.append(service.memory_mib())
    return outcome


def row(shape: str, outcome: Outcome) -> str:
    """Return the row of the Markdown table."""
    changing, usual = outcome.changing, outcome.usual
    return (
        f"| {shape} | {len(outcome.memory)} | {outcome.refused} | {sum(changing.statuses.values())} | "
        f"{changing.failed} | {usual.p99_ms:.0f} | {changing.p99_ms:.0f} | {max(changing.between_s, 0) * 1000:.0f} | "
        f"{outcome.growth:.3f} |"
    )


def main(
    shapes: Annotated[list[str] | None, typer.Argument(help=f"Some of {', '.join(SHAPES)}; all by default.")] = None,
    swaps: Annotated[int, typer.Option(min=1, help="Versions that are put into service.")] = 20,
    seconds: Annotated[float, typer.Option(min=2, help="Time of the usual load.")] = 20,
    damage: Annotated[bool, typer.Option(help="Publish bundles in between that must be refused.")] = True,
) -> None:
    """Print a row for each shape; exit with status 1 when clients notice more than is promised."""
    print("| Shape | Changes | Refused | Requests | Failed | p99 before, ms | p99 during, ms | Both, ms | Memory |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|", flush=True)
    broken = list[str]()
    for shape in shapes or SHAPES:
        outcome = measure(SHAPES[shape], swaps, seconds, damage=damage)
        print(row(shape, outcome), flush=True)
        broken += [f"{shape}: {problem}" for problem in outcome.problems]
    if broken:
        sys.exit("; ".join(broken))


if __name__ == "__main__":
    typer.run(main)
