"""Write a run as a section of RESULTS.md, between markers, so that the other sections stay."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.harness.results import Key, Medians, Results
from benchmarks.harness.servers import MACHINE, SERVICE
from benchmarks.report import comparison_rows, plots, quartiles
from benchmarks.report.results_sections import Section
from benchmarks.workloads import WORKLOADS

RESULTS_PAGE = Path(__file__).parents[1] / "RESULTS.md"
BEGIN, END = "<!-- what `make bench WRITE=1` wrote, until -->", "<!-- the end of `make bench` -->"
insert = Section(BEGIN, END).insert
number = quartiles.number
RATIO_HEAD = ("ratio", "value", "target", "verdict")
_STAGES = ("receive", "decode", "queue", "infer", "total")


def section(results: Results, ratios: Iterable[Sequence[str]], pictures: Iterable[str] = ()) -> str:
    """Return everything between the markers.

    ratios: rows of the table of ratios, as `benchmarks.check.ratio_rows` returns them: name, value, target, verdict.
    pictures: paths relative to the folder of RESULTS.md.
    """
    medians = Medians(results.measurements)
    parts: list[str] = [BEGIN, "## Comparison", *_provenance(results), "### Ratios", table(RATIO_HEAD, ratios, words=4)]
    for workload, what in results.workloads.items():
        parts += [f"### {workload}: {what}", *_side_by_side(medians, workload)]
        parts += _ceilings(medians, workload, results.ceilings.get(workload, ""))
        parts += [*_closed(medians, workload), *_open(medians, workload)]
    parts += [f"![{Path(path).stem}]({path})" for path in pictures]
    return "\n\n".join([*parts, END]) + "\n"


def write(results: Results, ratios: Iterable[Sequence[str]], page: Path = RESULTS_PAGE) -> None:
    """Put the run and its pictures into RESULTS.md; ratios: as in `section`."""
    new = section(results, ratios, plots.draw(results, page.parent / plots.FOLDER.name))
    page.write_text(insert(page.read_text() if page.exists() else "# Results\n", new))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """Return a Markdown table; the first `words` columns hold text, the others numbers."""
    rule = "|".join(["---"] * words + ["--:"] * (len(head) - words))
    return "\n".join([f"| {' | '.join(head)} |", f"|{rule}|", *(f"| {' | '.join(row)} |" for row in rows)])


def _provenance(results: Results) -> Iterator[str]:
    yield (
        f"`{results.command}`: medians (and quartiles) of {results.turns} turns; loads that took no turns "
        f"{results.rounds} x {results.seconds:g} s; load generator and server share the cores. "
        "[What is measured, and what the terms mean](../docs/benchmarks.md)."
    )
    lines = [
        f"- Date: {results.date}; commit {results.commit}"
        + (f"; against commit {results.commit_against}" if results.commit_against else ""),
        f"- Machine: {results.machine}",
        f"- Versions: {', '.join(f'{name} {found}' for name, found in results.versions.items())}",
        *(
            [f"- Before the run other programs used {results.others_share:.0%} of the cores"]
            if results.others_share > 0.05
            else []
        ),
        *([f"- No bf16: {results.no_bf16}"] if results.no_bf16 else []),
        *(f"- Made with: `{command}`" for command in results.prepared_by),
        *(f"- Failed: {note.splitlines()[0]}" for note in results.notes),
    ]
    yield "\n".join(lines)


def _side_by_side(medians: Medians, workload: str) -> Iterator[str]:
    """Yield the tables of what was interleaved, with the quotients of the service by each."""
    if rows := comparison_rows.throughput(medians, workload):
        head = [
            f"side by side, {WORKLOADS[workload].parallel_connections} connections",
            *comparison_rows.THROUGHPUT_HEAD,
        ]
        yield table(head, [row.cells() for row in rows])
    if rows := comparison_rows.one_connection(medians, workload):
        yield table(["side by side, one connection", *comparison_rows.LATENCY_HEAD], [row.cells() for row in rows])


def _ceilings(medians: Medians, workload: str, fastest: str) -> Iterator[str]:
    """Yield the tables of what was measured without HTTP; fastest: library and batch size of the ceiling."""
    rows = [["decode, ms", *_own_and_full(medians, workload, "decode", "ms")]]
    what = f"all processes ({fastest}), images/s" if fastest else "all processes, images/s"
    rows += [[what, *_own_and_full(medians, workload, "processes", "images_per_s")]]
    yield table(["without HTTP", "the service's decoding", "in full"], rows)
    if rates := comparison_rows.one_thread(medians, workload):
        sizes = next(iter(rates.values()))
        head = ["the network in one thread, images/s", *(f"batch {size}" for size in sizes)]
        yield table(head, [[library, *map(number, by_size.values())] for library, by_size in rates.items()])
    stages = medians.row(Key(workload, SERVICE, "stages"))
    if stages:
        named = [name for name in _STAGES if f"{name}_ms" in stages]
        yield table(["single request", *named], [["ms", *(number(stages[f"{name}_ms"]) for name in named)]])


def _own_and_full(medians: Medians, workload: str, what: str, name: str) -> list[str]:
    return [number(medians.value(Key(workload, MACHINE, kind), name)) for kind in (what, f"{what}-full")]


def _closed(medians: Medians, workload: str) -> Iterator[str]:
    """Yield the table of the closed loops: a row for each server and body, a column for each load."""
    series: dict[tuple[str, str], list[Key]] = {}
    for subject in medians.subjects(workload, "closed"):
        for key in medians.keys(workload, subject, "closed"):
            series.setdefault((subject, key.load.split()[1]), []).append(key)
    loads = sorted({key.load.split()[0] for keys in series.values() for key in keys}, key=lambda load: int(load[2:]))
    if loads:
        head = ["closed loop: good/s, p50 / p99 ms", *loads, "RSS peak MiB"]
        yield table(head, (_closed_row(medians, name, keys, loads) for name, keys in series.items()))


def _closed_row(medians: Medians, name: tuple[str, str], keys: list[Key], loads: list[str]) -> list[str]:
    rows = {key.load.split()[0]: medians.row(key) for key in keys}
    cells = [_closed_cell(rows[load]) if load in rows else "-" for load in loads]
    return [", ".join(name), *cells, number(max(row["rss_peak_mib"] for row in rows.values()))]


def _closed_cell(row: dict[str, float]) -> str:
    return f"{number(row['per_s'])}, {number(row.get('p50_ms'))} / {number(row.get('p99_ms'))}"


def _open(medians: Medians, workload: str) -> Iterator[str]:
    keys = medians.keys(workload, SERVICE, "open")
    if keys:
        head = "open loop, of peak|offered/s|good/s|p50 ms|p90 ms|p99 ms|p99 accepted ms|mean batch|RSS before|peak"
        head += "|after MiB|CPU s|generator late|its share of the cores"
        yield table(head.split("|"), (_open_row(key.load, medians.row(key)) for key in keys))


def _open_row(load: str, row: dict[str, float]) -> list[str]:
    names = ["rate_per_s", "good_per_s", "p50_ms", "p90_ms", "p99_ms", "accepted_p99_ms", "mean_batch"]
    names += ["rss_before_mib", "rss_peak_mib", "rss_after_mib", "cpu_s"]
    share = f"{row.get('generator_share', 0):.0%}"
    return [load, *(number(row.get(name)) for name in names), "yes" if row.get("generator_saturated") else "no", share]
