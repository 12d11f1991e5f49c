"""A run as sections of RESULTS.md, between markers, so that its other sections stay."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks import plots
from benchmarks.check import judge
from benchmarks.measure import MACHINE
from benchmarks.results import Key, Medians, Results
from benchmarks.sections import Section
from benchmarks.servers import SERVICE

RESULTS_PAGE = Path(__file__).parent / "RESULTS.md"
BEGIN, END = "<!-- what `make bench WRITE=1` wrote, until -->", "<!-- the end of `make bench` -->"
insert = Section(BEGIN, END).insert
_STAGES = ("receive", "decode", "queue", "infer", "total")


def section(results: Results, pictures: Iterable[str] = ()) -> str:
    """Everything between the markers; pictures: paths beside RESULTS.md."""
    medians = Medians(results.measurements)
    parts: list[str] = [BEGIN, "## Comparison", *_provenance(results), "### Ratios", *_ratios(results)]
    for work, what in results.works.items():
        parts += [f"### {work}: {what}", *_ceilings(medians, work), *_closed(medians, work), *_open(medians, work)]
    parts += [f"![{Path(path).stem}]({path})" for path in pictures]
    return "\n\n".join([*parts, END]) + "\n"


def write(results: Results, page: Path = RESULTS_PAGE) -> None:
    """Put the run and its pictures into RESULTS.md."""
    new = section(results, plots.draw(results, page.parent / plots.FOLDER.name))
    page.write_text(insert(page.read_text() if page.exists() else "# Results\n", new))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """Markdown; the first `words` columns are text, the others are numbers."""
    rule = "|".join(["---"] * words + ["--:"] * (len(head) - words))
    return "\n".join([f"| {' | '.join(head)} |", f"|{rule}|", *(f"| {' | '.join(row)} |" for row in rows)])


def number(value: float | None) -> str:
    """Four significant digits at most, never in powers of ten."""
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _provenance(results: Results) -> Iterator[str]:
    yield (
        f"`{results.command}`: medians of {results.rounds} rounds, {results.seconds:g} s a load; load generator and "
        "server share the cores. [What is measured, and what the words mean](../docs/benchmarks.md)."
    )
    lines = [
        f"- Date: {results.date}; commit {results.commit}",
        f"- Machine: {results.machine}",
        f"- Versions: {', '.join(f'{name} {found}' for name, found in results.versions.items())}",
        *(f"- Made with: `{command}`" for command in results.prepared_by),
        *(f"- Failed: {note.splitlines()[0]}" for note in results.notes),
    ]
    yield "\n".join(lines)


def _ratios(results: Results) -> Iterator[str]:
    rows = [judgement.cells() for judgement in judge(results)]
    yield table(["ratio", "value", "target", "verdict"], rows, words=4)


def _ceilings(medians: Medians, work: str) -> Iterator[str]:
    rows = [["decode, ms", *_own_and_full(medians, work, "decode", "ms")]]
    rows += [["all processes, images/s", *_own_and_full(medians, work, "processes", "images_per_s")]]
    yield table(["without HTTP", "the service's decoding", "in full"], rows)
    sessions = medians.keys(work, MACHINE, "session")
    if sessions:
        rates = [number(medians.value(key, "images_per_s")) for key in sessions]
        yield table(["one-thread session", *(key.load for key in sessions)], [["images/s", *rates]])
    stages = medians.row(Key(work, SERVICE, "stages"))
    if stages:
        named = [name for name in _STAGES if f"{name}_ms" in stages]
        yield table(["lone request", *named], [["ms", *(number(stages[f"{name}_ms"]) for name in named)]])


def _own_and_full(medians: Medians, work: str, what: str, name: str) -> list[str]:
    return [number(medians.value(Key(work, MACHINE, kind), name)) for kind in (what, f"{what}-full")]


def _closed(medians: Medians, work: str) -> Iterator[str]:
    """Good answers per second and percentiles, a row for each server and body, a column group for each load."""
    series: dict[tuple[str, str], list[Key]] = {}
    for subject in medians.subjects(work, "closed"):
        for key in medians.keys(work, subject, "closed"):
            series.setdefault((subject, key.load.split()[1]), []).append(key)
    loads = list(dict.fromkeys(key.load.split()[0] for keys in series.values() for key in keys))
    if loads:
        head = ["closed loop: good/s, p50 / p99 ms", *loads, "RSS peak MiB"]
        yield table(head, (_closed_row(medians, *name, keys) for name, keys in series.items()))


def _closed_row(medians: Medians, subject: str, body: str, keys: list[Key]) -> list[str]:
    rows = [medians.row(key) for key in keys]
    cells = [f"{number(row['per_s'])}, {number(row.get('p50_ms'))} / {number(row.get('p99_ms'))}" for row in rows]
    return [f"{subject}, {body}", *cells, number(max(row["rss_peak_mib"] for row in rows))]


def _open(medians: Medians, work: str) -> Iterator[str]:
    keys = medians.keys(work, SERVICE, "open")
    if keys:
        head = "open loop, of peak|offered/s|good/s|p50 ms|p90 ms|p99 ms|p99 accepted ms|mean batch|RSS before|peak"
        head += "|after MiB|CPU s|generator late"
        yield table(head.split("|"), (_open_row(key.load, medians.row(key)) for key in keys))


def _open_row(load: str, row: dict[str, float]) -> list[str]:
    names = ["rate_per_s", "good_per_s", "p50_ms", "p90_ms", "p99_ms", "accepted_p99_ms", "mean_batch"]
    names += ["rss_before_mib", "rss_peak_mib", "rss_after_mib", "cpu_s"]
    return [load, *(number(row.get(name)) for name in names), "yes" if row.get("generator_saturated") else "no"]
