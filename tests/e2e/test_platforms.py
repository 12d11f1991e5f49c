"""Real processes on platforms that lack something: tests/e2e/platform/sitecustomize.py takes it away."""

import os
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.snellen.command import snellen
from tests.support.bundles import write_bundle
from tests.support.pictures import BLUE, GREEN, RED, picture
from tests.support.processes import frontends_of
from tests.support.server import ServerProcess, running

FOLDER = Path(__file__).parent / "platform"
LARGE = picture(BLUE, (2000, 1500))
"""Large enough for a decode worker."""
ONE_PROCESS = "one process instead of several: "


def lacking(platform: str) -> dict[str, str]:
    """The environment of a process on such a platform."""
    path = os.pathsep.join([str(FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {"PYTHONPATH": path, "SNELLEN_TEST_PLATFORM": platform}


def label(server: ServerProcess, body: bytes) -> str:
    answer = httpx.post(f"{server.url}/v1/classify", content=body, timeout=60)
    assert answer.status_code == 200, answer.text + server.log
    found: str = answer.json()["results"][0]["predictions"][0]["label"]
    return found


@pytest.mark.parametrize(
    ("platform", "flags", "frontends", "said"),
    [
        ("macos", ["--frontends", "2"], 0, ONE_PROCESS + "os.memfd_create is missing"),
        ("no_memfd", ["--frontends", "2", "--engines", "1"], 0, ONE_PROCESS + "os.memfd_create is missing"),
        ("no_packet_sockets", ["--frontends", "2"], 0, ONE_PROCESS + "Unix sockets of the type SOCK_SEQPACKET"),
        ("no_close_on_exec_flag", ["--frontends", "2"], 2, None),
        ("no_address_space_limit", ["--frontends", "1"], 0, "decode_memory_bytes is not enforced on this platform"),
        ("no_proc", ["--frontends", "2"], 2, None),
    ],
)
def test_the_service_answers_and_says_what_it_does_without(
    tmp_path: Path, platform: str, flags: list[str], frontends: int, said: str | None
) -> None:
    """Where several processes are impossible one process serves; the log has one line for it, and no traceback."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    write_bundle(tmp_path / "models")
    flags = [*flags, "--drain-delay-s", "0"]
    with running(tmp_path / "models", *flags, wait=True, TMPDIR=str(temporary), **lacking(platform)) as server:
        assert len(frontends_of(server)) == frontends
        assert [label(server, body) for body in (picture(RED), picture(GREEN), LARGE, LARGE)] == [
            "red",
            "green",
            "blue",
            "blue",
        ]
        assert httpx.get(f"{server.url}/metrics").status_code == 200
        server.terminate()
        assert server.process.wait(30) == 0
    assert said is None or server.log.count(said) == 1
    assert server.log.count(ONE_PROCESS) == int(said is not None and said.startswith(ONE_PROCESS))
    assert "Traceback" not in server.log
    assert "is run as it is" not in server.log
    assert not [file for file in temporary.rglob("*") if file != temporary / f"snellen-{os.getuid()}"]


def test_without_settings_one_process_serves_where_several_are_impossible(tmp_path: Path) -> None:
    """The number of frontends that suits the machine is then one."""
    write_bundle(tmp_path)
    with running(tmp_path, wait=True, SNELLEN_FRONTENDS="0", **lacking("macos")) as server:
        assert frontends_of(server) == []
        assert label(server, picture(GREEN)) == "green"
        cores = os.cpu_count() or 1  # what a process sees that cannot ask which cores it may use
        assert server.log.count(ONE_PROCESS) == int(cores > 1)


@pytest.mark.parametrize("platform", ["macos", "no_memfd", "no_proc"])
def test_classify_and_verify_need_neither_memfd_nor_proc(tmp_path: Path, platform: str) -> None:
    """Both commands give the same answers as on Linux."""
    bundle = write_bundle(tmp_path / "models")
    photo = tmp_path / "photo.png"
    photo.write_bytes(picture(GREEN))
    classified = snellen("classify", photo, "--bundle", bundle, "--format", "csv", **lacking(platform))
    assert (classified.returncode, "green" in classified.stdout) == (0, True), classified.stderr
    verified = snellen("verify", bundle, **lacking(platform))
    assert (verified.returncode, "3 golden images" in verified.stdout) == (0, True), verified.stderr


def test_windows_is_told_where_the_service_runs() -> None:
    """`snellen serve` prints one line that names WSL and Docker."""
    done = snellen("serve", **lacking("windows"))
    assert (done.returncode, done.stderr) == (1, "snellen: the service does not run on Windows; use WSL or Docker\n")
