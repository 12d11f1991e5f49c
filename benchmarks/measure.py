"""One step of a round: everything about one server, or about the machine without a server."""

import json
import subprocess
import sys
from dataclasses import dataclass, field

from benchmarks import ceilings, closed_loop, scrape
from benchmarks.closed_loop import Body
from benchmarks.footprint import MIB, Footprint, await_idle, rss_bytes
from benchmarks.results import Key, Measurement
from benchmarks.running import Running, free_port, running
from benchmarks.servers import SERVICE, echo, multipart, peer, raw, service
from benchmarks.works import ROOT, Work

MACHINE = "machine"
WARM_UP_CONNECTIONS, WARM_UP_S = 8, 1.0


@dataclass
class Recorder:
    """Collects what the steps of all rounds find out."""

    round: int = 0
    measurements: list[Measurement] = field(default_factory=list)
    server_commands: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(
        self,
        key: Key,
        values: dict[str, float],
        statuses: dict[str, int] | None = None,
        batches: dict[str, float] | None = None,
    ) -> None:
        self.measurements.append(
            Measurement(
                **key._asdict(), round=self.round, values=values, statuses=statuses or {}, batches=batches or {}
            )
        )

    def peak(self, work: Work) -> float:
        """The service's best closed loop of this round, in good answers per second; 0 without one."""
        mine = [found for found in self.measurements if found.round == self.round and found.key[0] == work.name]
        return max((f.values["per_s"] for f in mine if f.subject == SERVICE and f.what == "closed"), default=0.0)


@dataclass(frozen=True)
class Plan:
    """How long each load lasts, and which loads there are; `open_loads` are multiples of the measured peak."""

    seconds: float
    connections: tuple[int, ...] | None = None
    with_multipart: bool = True
    open_loads: tuple[float, ...] = ()
    deadline_ms: int = 1000

    def connections_of(self, work: Work) -> tuple[int, ...]:
        return self.connections or work.connections

    def seconds_of(self, work: Work) -> float:
        return self.seconds * work.stretch


def machine(recorder: Recorder, work: Work, plan: Plan) -> None:
    """Decoding, the session, and both in all processes, without HTTP."""
    for in_full in (False, True):
        suffix = "-full" if in_full else ""
        values = ceilings.decoding(work, plan.seconds / 4, in_full=in_full)
        recorder.add(Key(work.name, MACHINE, f"decode{suffix}"), values)
    measured = ceilings.sessions(work, plan.seconds)
    for size, values in measured.items():
        recorder.add(Key(work.name, MACHINE, "session", f"batch {size}"), values)
    best = ceilings.best_batch_size(measured)
    for in_full in (False, True):
        suffix = "-full" if in_full else ""
        values = ceilings.processes(work, best, plan.seconds_of(work), in_full=in_full)
        recorder.add(Key(work.name, MACHINE, f"processes{suffix}"), values)


def bare_http(recorder: Recorder, work: Work, plan: Plan) -> None:
    with running(echo(work, free_port())) as server:
        for connections in plan.connections_of(work):
            _closed(recorder, work, server, server.server.body, f"c={connections} raw", plan.seconds_of(work))


def own_service(recorder: Recorder, work: Work, plan: Plan) -> None:
    """Start to ready, closed loops, stages of a lone request, open loops at multiples of this round's peak."""
    with running(service(work, free_port())) as server:
        _started(recorder, work, server)
        _warm_up(server)
        _stages(recorder, work, server)
        bodies = {"raw": raw(work)} | ({"multipart": multipart(work)} if plan.with_multipart else {})
        for name, body in bodies.items():
            for connections in plan.connections_of(work):
                _closed(recorder, work, server, body, f"c={connections} {name}", plan.seconds_of(work))
        if peak := recorder.peak(work):
            for multiple in plan.open_loads:
                _open(recorder, work, server, multiple, multiple * peak, plan)


def a_peer(recorder: Recorder, work: Work, plan: Plan, name: str) -> None:
    with running(peer(name, work, free_port())) as server:
        _started(recorder, work, server)
        _warm_up(server)
        form = "multipart" if server.server.body == multipart(work) else "raw"
        for connections in plan.connections_of(work):
            _closed(recorder, work, server, server.server.body, f"c={connections} {form}", plan.seconds_of(work))


def _started(recorder: Recorder, work: Work, server: Running) -> None:
    name = server.server.name
    recorder.server_commands[f"{work.name} {name}"] = " ".join(server.server.command)
    recorder.add(Key(work.name, name, "start"), {"seconds": server.start_s, "rss_mib": rss_bytes(server.pid) / MIB})


def _warm_up(server: Running) -> None:
    closed_loop.run(server.server.url, server.server.body, WARM_UP_CONNECTIONS, WARM_UP_S)
    await_idle(server.pid)


def _stages(recorder: Recorder, work: Work, server: Running) -> None:
    recorder.add(Key(work.name, SERVICE, "stages"), scrape.stages(server.server))


def _closed(recorder: Recorder, work: Work, server: Running, body: Body, load: str, seconds: float) -> None:
    before = scrape.batch_sizes(server.server) if server.server.name == SERVICE else None
    connections = int(load.split(maxsplit=1)[0].removeprefix("c="))
    with Footprint(server.pid) as footprint:
        values = closed_loop.run(server.server.url, body, connections, seconds)
    await_idle(server.pid)
    mean, counts = scrape.batch_sizes(server.server).since(before) if before else (0.0, {})
    failed = int(values["failed"])
    recorder.add(
        Key(work.name, server.server.name, "closed", load),
        values | footprint.values | ({"mean_batch": mean} if before else {}),
        {"below 400": int(values["answers"]) - failed, "400 and above": failed},
        counts,
    )


def _open(recorder: Recorder, work: Work, server: Running, multiple: float, rate: float, plan: Plan) -> None:
    """The generator is a process of its own, so that watching does not slow it down."""
    before = scrape.batch_sizes(server.server)
    command = [sys.executable, "-m", "benchmarks.open_loop", server.server.url, str(server.server.body.path)]
    command += [server.server.body.content_type, "--rate", f"{rate:.3f}", "--seconds", str(plan.seconds_of(work))]
    with Footprint(server.pid) as footprint:
        done = subprocess.run(
            [*command, "--deadline-ms", str(plan.deadline_ms)], capture_output=True, text=True, check=True, cwd=ROOT
        )
    await_idle(server.pid)
    found = json.loads(done.stdout)
    mean, counts = scrape.batch_sizes(server.server).since(before)
    values = found["values"] | footprint.values | {"mean_batch": mean}
    recorder.add(Key(work.name, SERVICE, "open", f"{multiple:g}x"), values, found["statuses"], counts)
