"""Results of a run as data, for the tests of what is made of them."""

from benchmarks.harness.results import Key, Measurement, Results
from benchmarks.harness.servers import MACHINE, OPENVINO_BF16, PEERS
from benchmarks.workloads import WORKLOADS

SPEED = (1.0, 0.7, 0.9)
"""Of the machine, by turn."""
CLOSED = {"answers": 100, "failed": 0, "p99_ms": 20.0, "rss_peak_mib": 200.0, "cpu_s": 1.0}
CLOSED |= {"generator_cpu_s": 0.02, "seconds": 1.0}
OPEN = {
    "rate_per_s": 200.0,
    "peak_per_s": 100.0,
    "generator_share": 0.01,
    "good_per_s": 99.0,
    "accepted_p99_ms": 900.0,
    "p50_ms": 10.0,
    "rss_peak_mib": 210.0,
    "mean_batch": 2.0,
}


def measurement(key: Key, values: dict[str, float], number: int = 0) -> Measurement:
    return Measurement(**key._asdict(), turn=number, values=values)


def machine(workload: str, ceiling: float) -> list[Measurement]:
    """Decoding takes 2 ms, the session 8, when the machine is at its best."""
    turns = [
        measurement(Key(workload, MACHINE, what), values, turn)
        for turn, speed in enumerate(SPEED)
        for what, values in (
            ("processes", {"images_per_s": ceiling * speed, "batch_size": 1}),
            ("single-image", {"decode_ms": 2.0 / speed, "session_ms": 8.0 / speed, "ms": 10.0 / speed}),
        )
    ]
    return [
        measurement(Key(workload, MACHINE, "decode"), {"ms": 2.0}),
        measurement(Key(workload, MACHINE, "session", "batch 1 cpu"), {"ms": 8.0, "images_per_s": 125.0}),
        *turns,
    ]


def server(workload: str, subject: str, per_s: float, body: str = "raw") -> list[Measurement]:
    """A single request takes 10 ms at best."""
    closed = {
        count: Key(workload, subject, "closed", f"c={count} {body}")
        for count in (WORKLOADS[workload].parallel_connections, 1, 256)
    }
    turns = [
        measurement(key, CLOSED | {"per_s": per_s * speed, "p50_ms": 10.0 / speed}, turn)
        for turn, speed in enumerate(SPEED)
        for key in (closed[WORKLOADS[workload].parallel_connections], closed[1])
    ]
    return [
        measurement(Key(workload, subject, "start"), {"seconds": 2.0, "rss_mib": 150.0}),
        *turns,
        measurement(closed[256], CLOSED | {"per_s": per_s, "p50_ms": 10.0}),
    ]


def results(measurements: list[Measurement]) -> Results:
    workloads = {found.workload: f"the workload {found.workload}" for found in measurements}
    return Results(
        command="python -m benchmarks.compare",
        date="2026-01-01 00:00 UTC",
        commit="abc",
        machine="2 cores",
        versions={"onnxruntime": "1"},
        workloads=workloads,
        ceilings=dict.fromkeys(workloads, "cpu, batches of 1"),
        turns=len(SPEED),
        rounds=1,
        seconds=1.0,
        deadline_ms=1000,
        memory_limit_mib=dict.fromkeys(workloads, 300.0),
        measurements=measurements,
    )


def whole_run() -> Results:
    """Every target holds."""
    service = {"A": 100.0, "A-onnxruntime": 90.0, "A-bf16": 200.0, "A-int8": 200.0, "B": 900.0, "C": 60.0}
    found = [
        m for workload, rate in service.items() for m in [*machine(workload, rate), *server(workload, "service", rate)]
    ]
    for workload, rate in (("A", 80.0), ("B", 500.0), ("C", 10.0)):
        for peer in (peer for servers in PEERS.values() for peer in servers):
            per_s = rate * 2 if peer == OPENVINO_BF16 else rate
            found += server(workload, peer, per_s, "raw" if peer == "mosec" else "multipart")
    for workload in ("A", "B", "C"):
        found += [measurement(Key(workload, "service", "open", "2x"), OPEN, turn) for turn in range(3)]
    found.append(measurement(Key("A", "service", "stages"), {"decode_ms": 2.0, "infer_ms": 7.0, "total_ms": 10.0}))
    return results(found)
