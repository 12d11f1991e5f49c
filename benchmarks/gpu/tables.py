"""The parts of a run as Markdown tables."""

from collections.abc import Iterator

from benchmarks.gpu.ceiling import best
from benchmarks.gpu.results import (
    CeilingPart,
    EndToEndPart,
    GpuResults,
    ParityPart,
    RunConfiguration,
    ServiceLoad,
    Speed,
    TensorRTPart,
)
from benchmarks.report.markdown_report import number, table

CORE_AIM = 290.0
"""Images per second per core of the machine: that of the best published servers that take images."""
TENSORRT_AIM = 0.8
"""Share of the throughput that TensorRT itself reaches in fp16."""


def provenance(found: GpuResults) -> Iterator[str]:
    """Yield the description of the run."""
    where = found.environment
    gpu = where.device
    lines = [
        f"- Date: {where.date}; commit {where.commit}",
        f"- Device: {f'{gpu.name}, {gpu.memory}, driver {gpu.driver}' if gpu else 'none'}",
        f"- Machine: {where.machine}",
        f"- Versions: {', '.join(f'{name} {version}' for name, version in where.versions.items())}",
        *(f"- Options of {name}: `{_options(options)}`" for name, options in where.options.items() if options),
    ]
    yield f"`{found.command}`; [what is measured](../docs/gpu.md). Load generators and service share the cores."
    yield "\n".join(lines)


def _options(options: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in options.items())


def aims(found: GpuResults) -> Iterator[str]:
    """Yield the table of aims; an aim is missing when its step did not run, or ran without a GPU."""
    rows = [_judged("best end to end, images/s for each core of the machine", per_core(found), CORE_AIM)]
    rows += [_judged(f"engine ceiling / {name}", ratio, TENSORRT_AIM) for name, ratio in to_tensorrt(found)]
    yield table(["aim", "value", "must be", "verdict"], rows, words=4)


def _judged(name: str, value: float | None, bound: float) -> list[str]:
    verdict = "missing" if value is None else "holds" if value >= bound else "does not hold"
    return [name, number(value), f">= {bound:g}", verdict]


def per_core(found: GpuResults) -> float | None:
    """Return the best images per second per core of loads without failed requests; None without a GPU."""
    loads = found.end_to_end.rows if found.end_to_end and found.environment.device else []
    return max((row.per_machine_core for row in loads if not row.failed), default=None)


def to_tensorrt(found: GpuResults) -> Iterator[tuple[str, float | None]]:
    """Yield a name and a ratio for each bundle.

    The ratio is that of the service's best configuration to trtexec's best result; without trtexec, that of the CUDA
    provider to the TensorRT provider in fp16.
    """
    speeds = found.ceiling.rows if found.ceiling else []
    own = found.tensorrt.rows if found.tensorrt else []
    bundles = dict.fromkeys(
        row.configuration.bundle for row in speeds if row.configuration.provider in {"cuda", "tensorrt"}
    )
    for bundle in bundles or ["TensorRT"]:
        only_bundle_folder = max((row.images_per_s for row in own if row.bundle == bundle), default=None)
        if only_bundle_folder is not None:
            yield f"trtexec fp16, {bundle}", _rate(best(speeds, bundle=bundle), only_bundle_folder)
        else:
            provider = best(speeds, bundle=bundle, provider="tensorrt", precision="fp16")
            name = f"the TensorRT provider in fp16, {bundle}" if bundles else "TensorRT's own fp16 figure"
            yield name, _rate(best(speeds, bundle=bundle, provider="cuda"), provider.images_per_s if provider else None)


def _rate(speed: Speed | None, by: float | None) -> float | None:
    return speed.images_per_s / by if speed and by else None


def parity(part: ParityPart) -> Iterator[str]:
    """Yield the table of the comparison with golden probabilities."""
    head = ["bundle", "provider", "how", "largest difference of a probability", "allowed", "verdict"]
    rows = []
    for row in part.rows:
        found = "-" if row.difference is None else f"{row.difference:.6f}"
        verdict = "holds" if row.holds else row.reason or "does not hold"
        rows.append(
            [
                row.configuration.bundle,
                row.configuration.provider,
                row.configuration.words,
                found,
                f"{row.tolerance:g}",
                verdict,
            ]
        )
    yield table(head, rows, words=6)


def ceiling(part: CeilingPart) -> Iterator[str]:
    """Yield the table of images per second: a row per configuration and callers, a column per batch size."""
    sizes = sorted({row.batch_size for row in part.rows})
    found: dict[tuple[RunConfiguration, int], dict[int, float]] = {}
    for row in part.rows:
        found.setdefault((row.configuration, row.callers), {})[row.batch_size] = row.images_per_s
    head = ["bundle", "provider", "how", "callers", *(f"batch {size}" for size in sizes)]
    rows = (
        [
            configuration.bundle,
            configuration.provider,
            configuration.words,
            str(callers),
            *(number(rates.get(size)) for size in sizes),
        ]
        for (configuration, callers), rates in found.items()
    )
    yield "Images/s; random pixels from the host's memory, probabilities back to it, no HTTP, no decoding."
    yield table(head, rows, words=3)
    yield from _notes(part.notes)


def tensorrt(part: TensorRTPart) -> Iterator[str]:
    """Yield the table of trtexec's results."""
    head = ["bundle", "precision", "batch", "copies to and from the device", "images/s"]
    copies = {True: "with", False: "without"}
    rows = (
        [row.bundle, row.precision, str(row.batch_size), copies[row.transfers], number(row.images_per_s)]
        for row in part.rows
    )
    yield table(head, rows, words=4)
    yield from _notes(part.notes)


def end_to_end(part: EndToEndPart) -> Iterator[str]:
    """Yield the table of the loads on the service."""
    head = (
        "bundle|provider|how|frontends, engines|connections|generator|images/s|for each core|for each core used|failed"
    )
    head += "|p50 ms|p99 ms|mean batch|cores used|GPU % mean|max|memory MiB max|power W mean|max"
    yield table(head.split("|"), map(_load, part.rows), words=6)
    yield from _notes(part.notes)


def _load(row: ServiceLoad) -> list[str]:
    words = [
        row.bundle,
        row.provider,
        row.precision,
        f"{row.frontends}, {row.engines}",
        str(row.connections),
        row.generator,
    ]
    values = [row.per_s, row.per_machine_core, row.per_used_core]
    more = [row.p50_ms, row.p99_ms, row.mean_batch, row.cores, row.use.gpu_mean_percent, row.use.gpu_max_percent]
    more += [row.use.memory_max_mib, row.use.power_mean_w, row.use.power_max_w]
    return [*words, *map(number, values), str(row.failed), *map(number, more)]


def _notes(notes: list[str]) -> Iterator[str]:
    if notes:
        yield "\n".join(f"- Failed: {note.splitlines()[0]}" for note in notes)
