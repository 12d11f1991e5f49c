"""The servers that can be measured: command line, address and request body of each."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.load.closed_loop import Body
from benchmarks.micro.ceilings import model_input
from benchmarks.peers.common import BATCH, HINT, MODEL, MODEL_INPUT, THREADS, WORKERS
from benchmarks.sample_images import BYTES_TYPE, FORM_TYPE
from benchmarks.workloads import BUILD, ENVIRONMENTS, ROOT, Workload
from models.contract import Precision, usable_cores
from service.settings import PREFIX

MACHINE, SERVICE, AGAINST, ECHO = "machine", "service", "against", "echo"
"""Subjects of measurements besides the peers.

MACHINE: no server. SERVICE: this tree's service. AGAINST: the service of another working tree. ECHO: HTTP alone.
"""
OPENVINO_BF16 = "openvino-bf16-2w"
PEERS = {
    "naive": ("naive", "naive-2w"),
    "openvino": ("openvino-2w", OPENVINO_BF16),
    "litserve": ("litserve",),
    "mosec": ("mosec",),
}
"""Names that the option --peers takes, and the servers that each stands for; all but OPENVINO_BF16 run fp32."""
ONE_CONNECTION_SUBJECTS = (SERVICE, AGAINST, "naive")
"""Subjects that are also compared with one connection."""
CLASSIFY = "/v1/classify"


@dataclass(frozen=True)
class Server:
    """A server that can be started.

    command: listens on `port` of 127.0.0.1. path: where images are posted. ready_path: a GET of it returns 200 once the
    server is ready; without it, a POST of the image does.
    """

    name: str
    command: list[str]
    port: int
    path: str
    body: Body
    ready_path: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    root: Path = ROOT
    """Root of the working tree whose code runs."""
    log: str = ""
    """Name of the log file; empty: the name of the server."""

    @property
    def url(self) -> str:
        """Return the URL to which images are posted."""
        return f"http://127.0.0.1:{self.port}{self.path}"


def raw(workload: Workload) -> Body:
    """Return the image's bytes as the request body."""
    return Body(workload.image, BYTES_TYPE)


def multipart(workload: Workload) -> Body:
    """Return the image in a multipart form as the request body."""
    return Body(workload.form, FORM_TYPE)


def service(workload: Workload, port: int, root: Path = ROOT) -> Server:
    """Return the service with default settings but for precision and library of the workload.

    root: the working tree whose code runs.
    """
    options = ["--port", str(port), "--models", str(workload.models), "--default-model", workload.model]
    library = ["--providers", workload.library] if workload.library else []
    command = [sys.executable, "-m", "service", *options, *library, "--precision", workload.precision.value]
    name = SERVICE if root == ROOT else AGAINST
    return Server(name, command, port, CLASSIFY, raw(workload), "/readyz", root=root, log=f"{workload.name}-{name}")


def echo(workload: Workload, port: int) -> Server:
    """Return the ASGI application that counts bytes, under one uvicorn process."""
    return Server(ECHO, _uvicorn("benchmarks.harness.echo_server:app", port, 1), port, "/", raw(workload))


def peer(name: str, workload: Workload, port: int) -> Server:
    """Return the peer of that name.

    Raises KeyError for a name that is not in PEERS, FileNotFoundError when the peer's environment does not exist.
    """
    cores = usable_cores()
    make: dict[str, Callable[[], Server]] = {
        "naive": lambda: _naive(name, workload, port, workers=1, threads=0),
        "naive-2w": lambda: _naive(name, workload, port, workers=cores, threads=1),
        "openvino-2w": lambda: _naive(name, workload, port, workers=cores, threads=1, hint="f32"),
        OPENVINO_BF16: lambda: _naive(name, workload, port, workers=cores, threads=1, hint="bf16"),
        "litserve": lambda: _litserve(workload, port, cores),
        "mosec": lambda: _mosec(workload, port, cores),
    }
    return make[name]()


def _naive(name: str, workload: Workload, port: int, *, workers: int, threads: int, hint: str = "") -> Server:
    command = _uvicorn("benchmarks.peers.naive:app", port, workers)
    variables = _variables(workload, threads=threads, workers=workers) | ({HINT: hint} if hint else {})
    return Server(name, command, port, "/classify", multipart(workload), environment=variables)


def _litserve(workload: Workload, port: int, cores: int) -> Server:
    command = [_python("litserve"), "-m", "benchmarks.peers.litserve_server", str(port)]
    variables = _variables(workload, threads=1, workers=cores)
    return Server("litserve", command, port, "/predict", multipart(workload), environment=variables)


def _mosec(workload: Workload, port: int, cores: int) -> Server:
    flags = ["--address", "127.0.0.1", "--port", str(port), "--timeout", "60000", "--log-level", "warning"]
    command = [_python("mosec"), "-m", "benchmarks.peers.mosec_server", *flags]
    variables = _variables(workload, threads=1, workers=cores)
    return Server("mosec", command, port, "/inference", raw(workload), environment=variables)


def _variables(workload: Workload, *, threads: int, workers: int) -> dict[str, str]:
    return {
        MODEL: str(workload.network(Precision.FP32)),
        MODEL_INPUT: json.dumps(model_input(workload)),
        THREADS: str(threads),
        WORKERS: str(workers),
        BATCH: str(workload.mosec_batch),
    }


def _uvicorn(app: str, port: int, workers: int) -> list[str]:
    flags = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    return [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--workers", str(workers), *flags]


def _python(name: str) -> str:
    path = ENVIRONMENTS / name / "bin" / "python"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: `make bench PEERS={name}` makes it")
    return str(path)


def environment(server: Server) -> dict[str, str]:
    """Return the environment of a server: this process's without settings of the service, and the server's own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return inherited | {"PYTHONPATH": str(server.root)} | server.environment


def log_path(server: Server) -> Path:
    """Return the path of the server's log."""
    return BUILD / "logs" / f"{server.log or server.name}.log"
