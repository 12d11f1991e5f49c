"""`snellen classify --out --ray`: the same rows from actors of Ray, also after processes were killed."""

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from snellen.bulk.errors import Stopped
from snellen.bulk.on_ray import PartClassifier, classify_on_ray, engines_of
from snellen.bulk.parts import Output
from snellen.offline import Opening
from tests.snellen.bulk.data import rows, write_pictures
from tests.snellen.bulk.test_command import started, wait_for
from tests.snellen.command import in_process, snellen

OF_ITS_OWN = {"RAY_ADDRESS": "local", "RAY_USAGE_STATS_ENABLED": "0"}
"""A cluster that begins and ends with the command, whatever else runs on this machine."""


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ray changes the handler of SIGTERM, an actor the working folder, and the command variables."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.chdir(Path.cwd())
    for name, value in {"RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_USAGE_STATS_ENABLED": "0"}.items():
        monkeypatch.setenv(name, value)
    yield
    signal.signal(signal.SIGTERM, before)


def machine(cores: float, gpus: int = 0, *, alive: bool = True) -> dict[str, Any]:
    return {"Alive": alive, "Resources": {"CPU": cores} | ({"GPU": gpus} if gpus else {})}


@pytest.mark.parametrize(
    ("machines", "on_gpu", "expected"),
    [
        ([machine(2)], False, (2, 1)),
        ([machine(64)], False, (8, 8)),
        ([machine(8), machine(4), machine(16)], False, (4, 7)),
        ([machine(0), machine(4), machine(2, alive=False)], False, (4, 1)),
        ([machine(16, gpus=4), machine(32)], True, (4, 4)),
        ([machine(2, gpus=4)], True, (1, 4)),
    ],
)
def test_engines_have_the_cores_of_the_smallest_machine(
    machines: list[dict[str, Any]], on_gpu: bool, expected: tuple[int, int]
) -> None:
    """At most 8; on GPUs one for each. A machine without cores, such as the head of a cluster, does not count."""
    assert engines_of(machines, on_gpu=on_gpu) == expected


@pytest.mark.parametrize(("machines", "on_gpu"), [([machine(0)], False), ([machine(8)], True)])
def test_a_cluster_without_room_is_refused(machines: list[dict[str, Any]], on_gpu: bool) -> None:
    """Instead of waiting for an engine that never starts."""
    with pytest.raises(Stopped, match="no machine of the cluster has"):
        engines_of(machines, on_gpu=on_gpu)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("nonsense", "Invalid address format: nonsense"),
        ("http://127.0.0.1:8265", "HTTP address"),
        ("127.0.0.1:1", "Connection refused"),
        ("ray://127.0.0.1:1", "Connection refused"),
    ],
)
def test_an_address_without_a_cluster_stops_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bundle: Path, address: str, reason: str
) -> None:
    """In one sentence; Ray itself would try for minutes."""
    monkeypatch.setenv("RAY_ADDRESS", address)
    opening = Opening(bundle, (), None, None, heic=False)
    with pytest.raises(Stopped, match=f"^RAY_ADDRESS {address} cannot be used: .*{reason}") as stopped:
        classify_on_ray(opening, Output(tmp_path), [0], measure=False, on_part=print, say=print)
    assert "\n" not in str(stopped.value)


def test_an_actor_says_what_its_machine_lacks(bundle: Path, tmp_path: Path) -> None:
    """The output folder is not shared."""
    opening = Opening(bundle, (), None, None, heic=False)
    actor = PartClassifier(opening, tmp_path / "nowhere.parquet", str(tmp_path), 1, measure=False)
    answer = actor({"item": 3})
    assert answer["part"] == 3
    assert "all machines have to reach it" in str(answer["error"])


def test_an_actor_without_heic_says_so(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of rows with errors that other machines would not write."""
    write_pictures(tmp_path / "files", 1)
    out = tmp_path / "results.parquet"
    assert in_process("classify", tmp_path / "files", "--bundle", bundle, "--out", out).returncode == 0
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    actor = PartClassifier(Opening(bundle, (), None, None, heic=True), out, str(tmp_path), 1, measure=False)
    assert str(actor({"item": 0})["error"]).startswith("--heic: pillow_heif not installed")


def actor_of(command: int) -> psutil.Process:
    """Wait for a process that classifies."""
    while True:
        for each in psutil.process_iter(["cmdline"]):
            words = " ".join(each.info["cmdline"] or [])
            if "ray::MapWorker" in words and "PartClassifier" in words:
                assert command != each.pid
                return each
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_rows_are_those_of_one_process_also_after_kills(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An actor is killed while it works, then the command; the same command goes on."""
    paths = write_pictures(tmp_path / "files", 6000)
    (Path(paths[7])).write_bytes(b"no image")
    alone, out = tmp_path / "alone.parquet", tmp_path / "results.parquet"
    same = (tmp_path / "files", "--bundle", bundle, "--rows-per-part", 100)
    assert snellen("classify", *same, "--out", alone).returncode == 1, "one image fails"
    for name, value in OF_ITS_OWN.items():
        monkeypatch.setenv(name, value)
    with started(*same, "--out", out, "--ray") as process:
        wait_for(out / "part-00001.parquet", process)
        actor_of(process.pid).send_signal(signal.SIGKILL)
        wait_for(out / "part-00020.parquet", process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    whole = len(list(out.glob("part-*.parquet")))
    assert whole < 60
    done = snellen("classify", *same, "--out", out, "--ray")
    assert done.returncode == 1, done.stderr
    assert "of 6,000 images" in done.stderr.splitlines()[0]
    assert "6,000 rows in" in done.stderr
    assert "1 failed" in done.stderr
    assert rows(out) == rows(alone)
    assert sorted(path.name for path in out.iterdir())[:3] == ["_inputs.arrow", "_snellen.json", "part-00000.parquet"]
