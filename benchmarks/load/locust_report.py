"""Turn locust's --json-file into the section `Load test` of RESULTS.md; `make load` runs this file.

python benchmarks/load/locust_report.py build/load.json --host http://127.0.0.1:8000 --users 8 --time 30s [--write]

The exit status is 1 when a request failed, and 2 when there is nothing to report.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
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


def images_in(entry: Mapping[str, Any]) -> int:
    """Return how many images the service classified in the requests of one name.

    A request with 8 images counts as 8; one that failed and one with a bad image count as 0.
    """
    if entry["name"].startswith("bad"):
        return 0
    several = re.match(r"(\d+) images$", entry["name"])
    return (_answers(entry) - int(entry["num_failures"])) * (int(several[1]) if several else 1)


def _answers(entry: Mapping[str, Any]) -> int:
    return sum(entry["response_times"].values())


def duration_s(entries: list[dict[str, Any]]) -> float:
    """Return the seconds from the start to the last answer, at least a millisecond."""
    started, ended = min(e["start_time"] for e in entries), max(e["last_request_timestamp"] for e in entries)
    return float(max(ended - started, 0.001))


def throughput(entries: list[dict[str, Any]]) -> str:
    """Return images per second and failed requests in a sentence."""
    images, seconds = sum(map(images_in, entries)), duration_s(entries)
    requests, failed = sum(map(_answers, entries)), sum(entry["num_failures"] for entry in entries)
    return (
        f"{images / seconds:.1f} images per second: {images} images in {seconds:.1f} s, "
        f"in {requests} requests, of which {failed} failed"
    )


def table(entries: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a Markdown table with a row per kind of request and a row for all."""
    yield "| requests | n | failed | per second | images/s | p50 ms | p95 ms | p99 ms | max ms |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    total: Counter[int] = Counter()
    seconds = duration_s(entries)
    for entry in sorted(entries, key=lambda e: (e["name"].startswith("bad"), e["name"])):
        times = Counter({int(ms): n for ms, n in entry["response_times"].items()})
        total += times
        rates = times.total() / seconds, images_in(entry) / seconds
        yield _row(entry["name"], times, entry["num_failures"], rates, entry["max_response_time"])
    slowest = max(e["max_response_time"] for e in entries)
    rates = total.total() / seconds, sum(map(images_in, entries)) / seconds
    yield _row("all", total, sum(e["num_failures"] for e in entries), rates, slowest)


def _row(name: str, times: Counter[int], failed: int, rates: tuple[float, float], slowest: float) -> str:
    quantiles = " | ".join(str(percentile(times, share)) for share in (0.5, 0.95, 0.99))
    per_second = " | ".join(f"{rate:.1f}" for rate in rates)
    return f"| {name} | {times.total()} | {failed} | {per_second} | {quantiles} | {slowest:.0f} |"


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


def section(arguments: argparse.Namespace, entries: list[dict[str, Any]]) -> str:
    """Return the Markdown section of one run."""
    command = f"make load HOST={arguments.host} MIX={arguments.mix} USERS={arguments.users} TIME={arguments.time}"
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
        f"- Throughput: {throughput(entries)}",
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
    parser.add_argument("--mix", default="good")
    parser.add_argument("--users", required=True)
    parser.add_argument("--time", required=True)
    parser.add_argument("--flags", default="", help="further options that locust was given")
    parser.add_argument("--note", default="", help="what a reader of the numbers should know")
    parser.add_argument("--write", action="store_true", help=f"replace the section in {RESULTS.name}")
    arguments = parser.parse_args()
    entries = read_entries(arguments.statistics)
    text = section(arguments, entries)
    print(text)
    if arguments.write:
        document = RESULTS.read_text() if RESULTS.exists() else "# Results\n"
        RESULTS.write_text(replace_section(document, text))
    if any(entry["num_failures"] for entry in entries):
        raise SystemExit(1)


def read_entries(statistics: Path) -> list[dict[str, Any]]:
    """Read what locust wrote. Ends with status 2 and a sentence when no request was answered."""
    entries: list[dict[str, Any]] = json.loads(statistics.read_text()) if statistics.exists() else []
    if not entries:
        print("No request was answered in this time; give a longer TIME.", file=sys.stderr)
        raise SystemExit(2)
    return entries


if __name__ == "__main__":
    main()
