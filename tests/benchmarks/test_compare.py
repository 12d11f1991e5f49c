"""The suite itself, for a moment."""

import subprocess
import sys

import pytest

from benchmarks.check import judge
from benchmarks.compare import without_bf16
from benchmarks.harness.prepare_inputs import SNELLEN
from benchmarks.harness.results import QUICK, Key, Medians, read
from benchmarks.harness.servers import PEERS
from benchmarks.workloads import ROOT, TWO_CONV, WORKLOADS


def test_a_machine_without_bf16_runs_everything_else() -> None:
    """Of the workloads A-bf16 is left out, of the peers the one in bf16."""
    workloads, servers = without_bf16([*WORKLOADS.values()], [server for names in PEERS.values() for server in names])
    assert [workload.name for workload in workloads] == ["A", "A-onnxruntime", "A-int8", "B", "C"]
    assert servers == ["naive", "naive-2w", "openvino-2w", "litserve", "mosec"]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not (SNELLEN.exists() or TWO_CONV.exists()), reason="the small bundle needs the training commands")
def test_the_quick_run_measures_service_and_ceilings() -> None:
    """Every load was answered, and what it did not measure is called missing."""
    command = [sys.executable, "-m", "benchmarks.compare", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = read(QUICK)
    medians = Medians(found.measurements)
    for workload in ("A", "B"):
        assert medians.peak(workload, "service")
        assert medians.value(Key(workload, "service", "stages"), "total_ms")
        assert all(medians.value(key, "failed") == 0 for key in medians.keys(workload, "service", "closed"))
    judged = {j.target.name: j.verdict for j in judge(found)}
    assert {verdict for name, verdict in judged.items() if "peer" in name} == {"missing"}
    assert "missing" not in {verdict for name, verdict in judged.items() if "ceiling" in name}
