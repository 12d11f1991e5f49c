"""The command lines of the service, and the environments of the peers."""

import re

from benchmarks.harness.servers import PEERS, service
from benchmarks.workloads import ROOT, WORKLOADS


def test_the_service_runs_with_its_own_command_line() -> None:
    """Every setting at its default but model and precision."""
    command = service(WORKLOADS["A-int8"], 1234).command
    assert command[1:5] == ["-m", "service", "--port", "1234"]
    assert command[-2:] == ["--precision", "int8"]


def test_each_peer_with_an_environment_pins_it() -> None:
    """By version and hash."""
    for peer in set(PEERS) - {"naive"}:
        text = (ROOT / "requirements" / f"bench-{peer}.txt").read_text()
        assert re.search(rf"^{peer}==[0-9.]+ ", text, re.MULTILINE)
        assert "--hash=sha256:" in text
        assert (ROOT / "benchmarks" / "peers" / f"{peer}_server.py").exists()
