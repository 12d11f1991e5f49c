"""A real process: the shipped models, start, drain."""

import base64
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.support.bundles import write_bundle
from tests.support.pictures import picture
from tests.support.server import ServerProcess, running, running_module

ROOT = Path(__file__).parents[2]
INTERRUPT = """import os, signal, sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "{imported}":
            os.kill(os.getpid(), signal.{name})
sys.meta_path.insert(0, Interrupt())
"""
GOLDEN = ROOT / "models/imagenet/1/golden"


def golden(name: str) -> bytes:
    return next(GOLDEN.glob(f"{name}.*")).read_bytes()


@pytest.mark.parametrize(
    ("photo", "labels"),
    [
        ("espresso", {"espresso", "cup"}),
        ("cat", {"Egyptian cat", "tabby", "tiger cat", "lynx"}),
        ("rocket", {"missile"}),
    ],
)
def test_a_real_photo_is_named_in_all_three_forms(server: ServerProcess, photo: str, labels: set[str]) -> None:
    """Raw, multipart and JSON give the same answer, and it is right."""
    body = golden(photo)
    url = f"{server.url}/v1/classify"
    answers = [
        httpx.post(url, content=body),
        httpx.post(url, files={"image": body}),
        httpx.post(url, json={"images": [base64.b64encode(body).decode()]}),
    ]
    results = [answer.json()["results"] for answer in answers]
    assert results[0] == results[1] == results[2]
    assert results[0][0]["predictions"][0]["label"] in labels


def test_both_shipped_models_are_ready(server: ServerProcess) -> None:
    """Fashion too."""
    assert {m["name"]: m["state"] for m in httpx.get(f"{server.url}/v1/models").json()["models"]} == {
        "imagenet": "ready",
        "fashion-mnist": "ready",
    }


def test_sigterm_answers_what_was_accepted_and_exits_with_zero(tmp_path: Path) -> None:
    """Readiness goes off first; requests in flight get their answers."""
    write_bundle(tmp_path, "slow", matmuls=10)
    flags = ("--max-batch-size", "1", "--drain-delay-s", "1", "--deadline-s", "60")
    with running(tmp_path, "--default-model", "slow", *flags) as server:
        with ThreadPoolExecutor(6) as pool:
            arrived = threading.Barrier(7)

            def classify() -> int:
                with httpx.Client() as client:
                    client.get(f"{server.url}/livez")
                    arrived.wait()
                    return client.post(f"{server.url}/v1/classify", content=picture(), timeout=60).status_code

            calls = [pool.submit(classify) for _ in range(6)]
            arrived.wait()
            time.sleep(0.1)
            server.terminate()
            time.sleep(0.4)
            readiness = httpx.get(f"{server.url}/readyz")
            assert (readiness.status_code, readiness.json()["detail"][:8]) == (503, "draining")
            assert [call.result() for call in calls] == [200] * 6
        assert server.process.wait(30) == 0
    assert "Traceback" not in server.log


def test_a_server_that_is_loading_is_alive_and_not_ready(tmp_path: Path) -> None:
    """Probes are answered from the first moment, requests told to come back."""
    write_bundle(tmp_path, "slow", matmuls=20)
    with running(tmp_path, wait=False) as server:
        assert httpx.get(f"{server.url}/livez").status_code == 200
        assert httpx.get(f"{server.url}/readyz").status_code == 503
        early = httpx.post(f"{server.url}/v1/classify", content=picture())
        assert (early.status_code, early.json()["type"]) == (503, "/problems/not-ready")
        assert early.headers["retry-after"] == "1"
        assert early.headers["connection"] == "close"
        server.ready()
        assert httpx.post(f"{server.url}/v1/classify", content=picture(), timeout=60).status_code == 200


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--port", "70000"], "--port (SNELLEN_PORT) takes a whole number from 0 to 65,535, not '70000'"),
        (["--deadline-s", "inf"], "takes a number above 0, to 3,600, not 'inf'"),
        (["--models", "nowhere"], "there is no folder nowhere; name the folder of the bundles with --models"),
        (["--providers", "quantum"], "SNELLEN_PROVIDERS"),
        (["--models", "docs"], "no bundle"),
        (["--default-model", "nope"], "set --default-model to one of fashion-mnist, imagenet"),
        (["--host", "host.invalid"], "cannot listen on host.invalid port 0"),
    ],
)
def test_a_start_that_cannot_work_says_why(flags: list[str], reason: str) -> None:
    """In one line, with status 2."""
    assert reason in complaint(*flags)


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        (("service",), "pydantic"),
        (("service",), "service.app"),
        (("snellen", "serve"), "typer"),
        (("snellen", "serve"), "service.app"),
    ],
)
def test_an_interrupt_while_it_starts_leaves_no_traceback(
    module: tuple[str, ...], imported: str, tmp_path: Path
) -> None:
    """Ctrl-C at the import of a module."""
    write_bundle(tmp_path / "models")
    (tmp_path / "sitecustomize.py").write_text(INTERRUPT.format(imported=imported, name="SIGINT"))
    command = [sys.executable, "-m", *module, "--port", "0", "--models", str(tmp_path / "models")]
    environment = os.environ | {"SNELLEN_FRONTENDS": "1", "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert done.returncode in (-signal.SIGINT, 128 + signal.SIGINT)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("module", "imported"), [(("service",), "pydantic"), (("snellen", "serve"), "service.app")])
def test_a_hangup_while_it_starts_does_not_end_it(module: tuple[str, ...], imported: str, tmp_path: Path) -> None:
    """It asks for a look at the models folder, which the start takes anyway."""
    write_bundle(tmp_path / "models")
    (tmp_path / "sitecustomize.py").write_text(INTERRUPT.format(imported=imported, name="SIGHUP"))
    command = (*module, "--port", "0", "--models", str(tmp_path / "models"))
    with running_module(*command, environment={"PYTHONPATH": f"{tmp_path}:{ROOT}"}, folder=ROOT) as server:
        assert httpx.get(f"{server.url}/readyz").status_code == 200


def test_a_port_in_use_is_named(server: ServerProcess) -> None:
    """In the same way."""
    port = str(server.port)
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in complaint("--port", port)


def complaint(*flags: str) -> str:
    """What a start that does not work says."""
    command = [sys.executable, "-m", "service", "--port", "0", *flags]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr[:9], "Traceback" in done.stderr) == (2, "snellen: ", False)
    return done.stderr
