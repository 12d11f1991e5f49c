"""Print a run on a terminal: the interleaved comparison, and each server's closed loops."""

from rich.console import Console
from rich.table import Table

from benchmarks.harness.results import Key, Medians, Results
from benchmarks.harness.servers import MACHINE
from benchmarks.report import comparison_rows
from benchmarks.workloads import WORKLOADS

_STAGES = ("receive", "decode", "queue", "infer", "total")


def show(results: Results, console: Console) -> None:
    """Print the tables of every workload."""
    medians = Medians(results.measurements)
    for workload, what in results.workloads.items():
        console.print(f"\n[bold]{workload}[/bold]: {what}")
        for line in machine_lines(medians, workload, results.ceilings.get(workload, "")):
            console.print(line)
        console.print(_closed_table(medians, workload))
        console.print(
            _turns_table(
                comparison_rows.throughput(medians, workload),
                WORKLOADS[workload].parallel_connections,
                comparison_rows.THROUGHPUT_HEAD,
            )
        )
        console.print(_turns_table(comparison_rows.one_connection(medians, workload), 1, comparison_rows.LATENCY_HEAD))


def _turns_table(rows: list[comparison_rows.ComparisonRow], connections: int, head: tuple[str, ...]) -> Table:
    """Return the table of what was interleaved: medians and quartiles over the turns."""
    table = Table(f"side by side, c={connections}", box=None)
    for title in head:
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(*row.cells())
    return table


def machine_lines(medians: Medians, workload: str, fastest: str) -> list[str]:
    """Return the ceilings and the stage times of a single request as lines of text.

    fastest: library and batch size of the ceiling.
    """
    decode = medians.row(Key(workload, MACHINE, "decode"))
    stages = medians.row(Key(workload, "service", "stages"))
    return [
        f"decode {decode.get('ms', 0):.3f} ms",
        *(
            f"the network in one thread on {library}, images/s by batch size: "
            + ", ".join(f"{size}: {rate:.1f}" for size, rate in by_size.items())
            for library, by_size in comparison_rows.one_thread(medians, workload).items()
        ),
        f"the ceiling: {fastest or '-'}",
        "Server-Timing of a single request, ms: "
        + ", ".join(f"{stage} {stages[f'{stage}_ms']:.2f}" for stage in _STAGES if f"{stage}_ms" in stages),
        f"start to ready {medians.value(Key(workload, 'service', 'start'), 'seconds') or 0:.2f} s",
    ]


def _closed_table(medians: Medians, workload: str) -> Table:
    """Return the table of all closed loops, including those of the turns."""
    table = Table("server", "load", box=None)
    for title in ("good/s", "p50 ms", "p99 ms", "refused", "mean batch", "RSS peak MiB", "CPU s"):
        table.add_column(title, justify="right")
    for subject in medians.subjects(workload, "closed"):
        for key in medians.keys(workload, subject, "closed"):
            table.add_row(subject, key.load, *_cells(medians.row(key)))
    return table


def _cells(row: dict[str, float]) -> list[str]:
    return [
        f"{row['per_s']:.1f}",
        f"{row['p50_ms']:.2f}" if "p50_ms" in row else "-",
        f"{row['p99_ms']:.2f}" if "p99_ms" in row else "-",
        f"{row['failed']:.0f}",
        f"{row['mean_batch']:.1f}" if "mean_batch" in row else "",
        f"{row['rss_peak_mib']:.0f}",
        f"{row['cpu_s']:.1f}",
    ]
