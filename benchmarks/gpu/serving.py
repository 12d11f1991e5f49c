"""Run the service with one bundle, frontends and engine processes; a GPU may need minutes to become ready."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness.server_process import RunningServer, ServerFailed, first_answer, free_port
from benchmarks.harness.servers import CLASSIFY, SERVICE, Server, environment, log_path
from benchmarks.load.closed_loop import Body
from benchmarks.sample_images import BYTES_TYPE
from benchmarks.workloads import BUILD, ROOT
from models.contract import Bundle

CACHE = BUILD / "gpu"
"""Folder of files that can be created again: links, profiles, TensorRT engines."""
_READY_LIMIT_S = 540.0
"""Includes running every batch size once and building TensorRT engines."""
_STOP_LIMIT_S = 30.0
_POLL_S = 0.1


@dataclass(frozen=True)
class ServiceOptions:
    """Options of the service; each has the meaning of the service's setting."""

    frontends: int
    engines: int
    provider: str
    precision: str = "auto"
    max_batch_size: int = 256
    tune_s: float = 20.0


def only_bundle_folder(bundle: Bundle, repository: Path) -> Path:
    """Return a models folder below `repository` that holds only this bundle, as a link."""
    manifest = bundle.manifest
    link = repository / f"{manifest.name}-{manifest.version}" / manifest.name / str(manifest.version)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(bundle.path.resolve(), target_is_directory=True)
    return link.parent.parent


def server_of(bundle: Bundle, options: ServiceOptions, image: Path, cache: Path = CACHE) -> Server:
    """Return the server; cache: folder for the link to the bundle and for the profile cache."""
    port, models = free_port(), only_bundle_folder(bundle, cache / "models")
    command = [sys.executable, "-m", "service", "--port", str(port), "--models", str(models)]
    command += ["--default-model", bundle.manifest.name]
    command += ["--providers", options.provider, "--precision", options.precision]
    command += ["--frontends", str(options.frontends), "--engines", str(options.engines), "--drain-delay-s", "0"]
    command += ["--max-batch-size", str(options.max_batch_size), "--max-queue", "4096"]
    command += ["--max-inflight-bytes", str(2**30)]
    command += ["--tune-s", str(options.tune_s), "--profile-cache", str(cache / "cache")]
    return Server(SERVICE, command, port, CLASSIFY, Body(image, BYTES_TYPE), "/readyz")


@contextmanager
def served(server: Server) -> Iterator[RunningServer]:
    """Run the service inside a `with` block. Raises ServerFailed with the end of the log when it is not ready."""
    path, started = log_path(server), time.perf_counter()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as log:
        process = subprocess.Popen(
            server.command, stdout=log, stderr=log, cwd=ROOT, env=environment(server), start_new_session=True
        )
    try:
        _await_ready(server, process, path)
        first_answer(server)
        yield RunningServer(server, process.pid, time.perf_counter() - started)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_LIMIT_S)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _await_ready(server: Server, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end, detail = time.monotonic() + _READY_LIMIT_S, "it does not answer"
    while process.poll() is None and time.monotonic() < end:
        with suppress(OSError):  # the service does not listen yet
            state = _readiness(server)
            if state["ready"]:
                return
            detail = state["detail"]
            if all(model["state"] == "failed" for model in state["models"]):
                break
        time.sleep(_POLL_S)
    raise ServerFailed(f"the service is not ready: {detail}; its log ends with:\n{log.read_text()[-3000:]}")


def _readiness(server: Server) -> dict[str, Any]:
    """Return the answer of /readyz: whether the service is ready, or why not. Raises OSError."""
    try:
        state: dict[str, Any] = json.loads(get(server, "/readyz"))
    except urllib.error.HTTPError as error:
        state = json.loads(error.read())
    return state


def get(server: Server, path: str) -> bytes:
    """Return the body of an answer of status 200. Raises OSError for anything else."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=10) as response:
        body: bytes = response.read()
        return body


def engine_of(server: Server, model: str) -> dict[str, Any]:
    """Return what the service reports about a model's engine: precision, provider and more."""
    engine: dict[str, Any] = json.loads(get(server, f"/v1/models/{model}"))["engine"]
    return engine
