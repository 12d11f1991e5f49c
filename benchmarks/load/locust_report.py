"""Turn locust's --json-file into the section `Load test` of RESULTS.md; `make load` runs this file.

python benchmarks/load/locust_report.py build/load.json --host http://127.0.0.1:8000 --users 8 --time 30s [--write]
"""

import argparse
import json
import os
import platform
import re
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from models.contract import usable_cores

RESULTS = Path(__file__).parents[1] / "RESULTS.md"
TITLE = "## Load test"
LIBRARIES = ("onnxruntime", "pillow", "numpy", "uvicorn", "fastapi", "locust")


def percentile(times_ms: Mapping[int, int], share: float) -> int:
    """Return the smallest time, in locust's rounded ms, that `share` of the requests did not exceed."""
    wanted, seen = share * sum(times_ms.values()), 0
    for time_ms in sorted(times_ms):
        seen += times_ms[time_ms]
        if seen >= wanted:
            return time_ms
    return 0


def table(entries: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a Markdown table with a row per kind of request and a row for all."""
    yield "| requests | n | failed | per second | p50 ms | p95 ms | p99 ms | max ms |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    total: Counter[int] = Counter()
    started, ended = min(e["start_time"] for e in entries), max(e["last_request_timestamp"] for e in entries)
    for entry in sorted(entries, key=lambda e: (e["name"].startswith("bad"), e["name"])):
        times = Counter({int(ms): n for ms, n in entry["response_times"].items()})
        total += times
        yield _row(entry["name"], times, entry["num_failures"], ended - started, entry["max_response_time"])
    slowest = max(e["max_response_time"] for e in entries)
    yield _row("all", total, sum(e["num_failures"] for e in entries), ended - started, slowest)


def _row(name: str, times: Counter[int], failed: int, seconds: float, slowest: float) -> str:
    quantiles = " | ".join(str(percentile(times, share)) for share in (0.5, 0.95, 0.99))
    return f"| {name} | {times.total()} | {failed} | {times.total() / seconds:.1f} | {quantiles} | {slowest:.0f} |"


def hardware() -> str:
    """Return cores, processor, memory and operating system of this machine."""
    model = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = usable_cores()
    return f"{cores} cores of {model[1] if model else platform.machine()}, {memory_gib:.0f} GiB, {platform.system()}"


def versions() -> str:
    """Return the versions of Python and of the libraries that matter for speed."""
    return ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in LIBRARIES)])


def commit(tree: Path = Path(__file__).parent) -> str:
    """Return the commit of a working tree, and whether files that the service uses have uncommitted changes."""
    git = ["git", "-C", str(tree)]
    revision = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    served = ["models", "service", "snellen", "requirements"]
    changed = subprocess.run(
        [*git, "status", "--porcelain", "--", *(f":/{path}" for path in served)], capture_output=True, check=True
    )
    return revision.stdout.strip() + (" and uncommitted changes" if changed.stdout else "")


def engine(host: str) -> str:
    """Return what the service reports about the engine of its default model, if it has one."""
    models = _get(f"{host}/v1/models")
    if models["default_model"] is None:
        return "no model is the default"
    detail = _get(f"{host}/v1/models/{models['default_model']}")
    running = detail["engine"]
    return (
        f"{detail['name']}/{detail['version']} in {running['precision']} on {running['provider']}, "
        f"{running['concurrency']} batches at a time, {running['threads_per_batch']} threads each, "
        f"at most {running['max_batch_size']} images in one"
    )


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - the address is given on the command line
        return json.load(response)


def section(arguments: argparse.Namespace) -> str:
    """Return the Markdown section of one run."""
    entries = json.loads(arguments.statistics.read_text())
    command = f"make load HOST={arguments.host} USERS={arguments.users} TIME={arguments.time}"
    if arguments.flags:
        command += f' LOAD_FLAGS="{arguments.flags}"'
    head = [
        TITLE,
        "",
        f"`{command}`: {arguments.users} requests in flight, each user sending its next one at once; "
        "[locustfile.py](load/locustfile.py) says what is sent and checked. "
        "Where the host is this machine, the load generator takes its share of the same cores.",
        "",
        f"- Date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC; commit {commit()}",
        f"- Machine: {hardware()}",
        f"- Versions: {versions()}",
        f"- Service: {engine(arguments.host)}",
        *([f"- Note: {arguments.note}"] if arguments.note else []),
        "",
    ]
    return "\n".join([*head, *table(entries)]) + "\n"


def replace_section(document: str, new: str) -> str:
    """Return `document` with its section of the same title replaced, or with the section appended."""
    before, title, rest = document.partition(f"{TITLE}\n")
    if not title:
        return document.rstrip() + "\n\n" + new
    following = re.search(r"^## ", rest, re.MULTILINE)
    return before + new + ("\n" + rest[following.start() :] if following else "")


def main() -> None:
    """Print the section of a run and, with --write, put it into RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("statistics", type=Path, help="what locust wrote with --json-file")
    parser.add_argument("--host", required=True)
    parser.add_argument("--users", required=True)
    parser.add_argument("--time", required=True)
    parser.add_argument("--flags", default="", help="further options that locust was given")
    parser.add_argument("--note", default="", help="what a reader of the numbers should know")
    parser.add_argument("--write", action="store_true", help=f"replace the section in {RESULTS.name}")
    arguments = parser.parse_args()
    text = section(arguments)
    print(text)
    if arguments.write:
        document = RESULTS.read_text() if RESULTS.exists() else "# Results\n"
        RESULTS.write_text(replace_section(document, text))


if __name__ == "__main__":
    main()
