"""The command lines of the service, and the environments of the peers."""

import re

from benchmarks.harness.servers import OPENVINO_BF16, PEERS, peer, service
from benchmarks.peers.common import HINT
from benchmarks.workloads import ROOT, WORKLOADS


def test_the_service_runs_with_its_own_command_line() -> None:
    """Every setting at its default but model, library and precision; A chooses the library itself."""
    command = service(WORKLOADS["A-int8"], 1234).command
    assert command[1:5] == ["-m", "service", "--port", "1234"]
    assert command[-4:] == ["--providers", "openvino", "--precision", "int8"]
    assert "--providers" not in service(WORKLOADS["A"], 1234).command


def test_handlers_on_openvino_name_their_precision() -> None:
    """One thread in a process a core, as the handler on onnxruntime, and that has none."""
    names = ("naive-2w", "openvino-2w", OPENVINO_BF16)
    usual, full, half = (peer(name, WORKLOADS["A"], 1234).environment for name in names)
    assert [each.pop(HINT, None) for each in (usual, full, half)] == [None, "f32", "bf16"]
    assert usual == full == half


def test_each_peer_with_an_environment_pins_it() -> None:
    """By version and hash."""
    for name in set(PEERS) - {"naive", "openvino"}:
        text = (ROOT / "requirements" / f"bench-{name}.txt").read_text()
        assert re.search(rf"^{name}==[0-9.]+ ", text, re.MULTILINE)
        assert "--hash=sha256:" in text
        assert (ROOT / "benchmarks" / "peers" / f"{name}_server.py").exists()
