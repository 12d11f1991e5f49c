"""`snellen models` with a running service of each shape: load, choose, roll back, unload."""

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from service.server.admin_socket import default_paths
from tests.snellen.command import snellen
from tests.support.bundles import write_bundle
from tests.support.pictures import GREEN, picture
from tests.support.processes import frontends_of, until
from tests.support.server import ServerProcess, running
from tests.support.shapes import slow_but

pytestmark = pytest.mark.timeout(600)  # the process that checks a version has the lowest priority

SHAPES = (("--frontends", "1"), ("--frontends", "2"), ("--frontends", "1", "--engines", "1"))


@pytest.fixture(params=slow_but(SHAPES[1], SHAPES), ids=" ".join)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServerProcess]:
    write_bundle(tmp_path / "models")
    with running(tmp_path / "models", *request.param, SNELLEN_PROFILE_CACHE=str(tmp_path / "cache")) as server:
        yield server


def socket_of(server: ServerProcess) -> Path:
    return next(path for path in default_paths(server.port) if path.exists())


def models(server: ServerProcess, *arguments: str) -> tuple[int, str]:
    """Exit status of `snellen models`, and all that it says."""
    done = snellen("models", *arguments, "--port", server.port)
    return done.returncode, done.stdout + done.stderr


def answering(server: ServerProcess) -> set[str]:
    """Versions that answer where none is named, on connections of their own."""
    answers = [httpx.post(f"{server.url}/v1/classify", content=picture(GREEN), timeout=60) for _ in range(6)]
    assert {answer.status_code for answer in answers} == {200}
    return {answer.json()["version"] for answer in answers}


def test_a_version_comes_is_chosen_and_goes(server: ServerProcess, tmp_path: Path) -> None:
    """While requests are answered by the default version; each command names the next one."""
    status, text = models(server, "list")
    assert (status, "colours/1" in text, "default model: colours" in text) == (0, True, True)
    assert stat.S_IMODE(socket_of(server).stat().st_mode) == 0o600

    assert models(server, "default", "colours", "1")[0] == 0  # a pin, so that the new one does not answer yet
    write_bundle(tmp_path / "models", version=2)
    status, text = models(server, "load", "colours/2")
    assert (status, "colours/2 is ready" in text) == (0, True), text
    assert f"let it answer: snellen models default colours 2 --port {server.port}" in text
    assert answering(server) == {"1"}

    status, text = models(server, "default", "colours", "latest")
    assert (status, "colours/2 is the default version of colours now: the newest that is ready" in text) == (0, True)
    assert f"go back: snellen models default colours 1 --port {server.port}" in text
    assert answering(server) == {"2"}

    assert models(server, "default", "colours", "1")[0] == 0
    assert answering(server) == {"1"}
    assert (tmp_path / "models/colours/default").read_text() == "1\n"

    (tmp_path / "models/colours/default").write_text("")  # as while a person writes it
    assert models(server, "rescan")[0] == 0
    assert answering(server) == {"1"}
    text = models(server, "list")[1]
    assert ("the file colours/default is empty; write" in text, "as chosen" in text) == (True, False), text
    status, text = models(server, "default", "colours", "1")
    assert (status, "go back" in text) == (0, False), text

    status, text = models(server, "unload", "colours/2")
    assert (status, "load it again: snellen models load colours/2" in text) == (0, True)
    gone = httpx.get(f"{server.url}/v1/models/colours/versions/2")
    assert gone.status_code == 404
    assert 'version="2"' not in httpx.get(f"{server.url}/metrics").text


def test_what_is_refused_changes_nothing(server: ServerProcess, tmp_path: Path) -> None:
    """One sentence and status 1; the version that serves goes on."""
    damaged = write_bundle(tmp_path / "models", version=2)
    with (damaged / "model.onnx").open("ab") as file:
        file.write(b"x")
    status, text = models(server, "load", "colours/2")
    assert (status, text.count("\n")) == (1, 1)
    assert text.startswith("snellen: colours/2 failed and is not served: model.onnx differs from")
    assert models(server, "unload", "colours/1")[0] == 1
    assert models(server, "default", "colours", "7")[0] == 1
    assert models(server, "load", "colours/")[0] == 2
    assert answering(server) == {"1"}
    status, text = models(server, "list")
    assert (status, "failed" in text) == (0, True)
    write_bundle(tmp_path / "models", version=3)
    status, text = models(server, "rescan")
    assert (status, "the default version of colours is 3, was 1" in text) == (0, True), text
    status, text = models(server, "rescan")
    assert (status, text.splitlines()[0]) == (0, "nothing has changed")


def test_the_socket_ends_with_the_service(server: ServerProcess) -> None:
    """Then the command says that none answers, and how to start one. One that was killed leaves a file behind."""
    path = socket_of(server)
    server.terminate()
    assert server.process.wait(60) == 0
    assert not path.exists()
    status, text = models(server, "rescan")
    assert (status, "no running service answers at" in text, "snellen serve" in text) == (2, True, True)


def test_a_stale_socket_is_replaced_and_a_living_one_is_not(tmp_path: Path) -> None:
    """The second service goes on without, with one warning."""
    write_bundle(tmp_path / "models")
    path = tmp_path / "a.sock"
    flags = ("--admin-socket", str(path))
    with running(tmp_path / "models", *flags) as server:
        server.process.kill()
        server.process.wait()
    assert path.exists()
    with running(tmp_path / "models", *flags), running(tmp_path / "models", *flags) as second:
        assert second.log.count("another service that is running has the admin socket") == 1
        second.terminate()
        assert second.process.wait(60) == 0
        assert snellen("models", "list", *flags).returncode == 0


def test_the_main_process_answers_after_its_frontends_were_killed(tmp_path: Path) -> None:
    """A change is made when they are back."""
    write_bundle(tmp_path / "models")
    with running(tmp_path / "models", "--frontends", "2") as server:
        for pid in frontends_of(server):
            os.kill(pid, signal.SIGKILL)
        write_bundle(tmp_path / "models", version=2)
        status, text = models(server, "rescan")
        assert status == 0, text
        until(lambda: answering(server) == {"2"}, server)


def test_a_path_that_no_socket_can_have_ends_the_start(tmp_path: Path) -> None:
    """With status 2, as any setting that is not valid."""
    done = snellen("serve", "--models", tmp_path, "--admin-socket", tmp_path / ("n" * 200))
    assert (done.returncode, "is no path for a Unix socket" in done.stderr) == (2, True)
