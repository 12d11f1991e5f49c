"""`snellen capacity`, as a command."""

import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.snellen.command import in_process, snellen

GPU = ("--engines", 1, "--cores", 16, "--batch-ms", "1=1.2,32=6", "--decode-ms", 1.3)


def test_it_measures_this_machine(bundle: Path) -> None:
    """Decoding and every batch size, with as many processes as the service starts; then loads and latencies."""
    done = snellen("capacity", bundle, "--seconds", 0.05, "--rate", 100000)
    assert done.returncode == 0, done.stderr
    assert re.search(r"batch of 1 +│ +\d", done.stdout)
    assert re.search(r"fp32 on (cpu|openvino), \d+ at a time", " ".join(done.stdout.split()))
    assert re.search(r"100,000 images/s: [\d,]+ frontends, [\d,]+ machines", " ".join(done.stdout.split()))


def test_figures_of_another_machine_are_given(bundle: Path) -> None:
    """And said to be given; nothing is measured then."""
    done = in_process("capacity", bundle, *GPU, "--rate", 100000)
    text = " ".join(done.stdout.split())
    assert done.returncode == 0, done.stderr
    assert "not measured" in text
    found = re.search(
        r"100,000 images/s: ([\d,]+) frontends and (\d+) engine processes, (\d+) machines of 16 cores", text
    )
    assert found
    frontends, engines, machines = (int(each.replace(",", "")) for each in found.groups())
    assert (frontends, machines) == (15 * engines, engines)


def test_it_draws_latency_against_load(bundle: Path, tmp_path: Path) -> None:
    """For one process, several, and a whole machine."""
    file = tmp_path / "p99.svg"
    done = in_process("capacity", bundle, "--batch-ms", "1=4,4=10", "--decode-ms", 1, "--plot", file)
    assert done.returncode == 0, done.stderr
    assert "<svg" in file.read_text()


def test_a_latency_that_is_out_of_reach_is_drawn_too(bundle: Path, tmp_path: Path) -> None:
    """The plot and the table show what is in reach."""
    file = tmp_path / "p99.svg"
    done = in_process("capacity", bundle, *GPU, "--p99-ms", 1, "--plot", file)
    assert done.returncode == 1
    assert "images in a batch" in " ".join(done.stdout.split())
    assert file.exists()


def test_engine_processes_are_not_measured_as_frontends(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine with a GPU: frontends decode for them, which the measurement does not know."""
    monkeypatch.setenv("SNELLEN_ENGINES", "1")
    done = in_process("capacity", bundle, "--seconds", 0.05)
    assert done.returncode == 2
    assert "give --engines 1, and the times of a batch" in done.stderr
    given = in_process("capacity", bundle, "--seconds", 0.05, "--engines", 1, "--cores", 4, "--batch-ms", "1=1.2")
    assert given.returncode == 0, given.stderr


def documented() -> list[str]:
    """The lines of docs/capacity.md that start the command."""
    return re.findall(r"^snellen capacity .*$", (ROOT / "docs" / "capacity.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("line", documented())
def test_the_commands_of_the_document_run(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they stand there, but with given figures, so that nothing has to be measured."""
    monkeypatch.chdir(tmp_path)
    given = () if "--batch-ms" in line else ("--batch-ms", "1=10,4=30", "--decode-ms", "2")
    done = in_process(*shlex.split(line.replace(" --image photo.jpg", ""))[1:], *given)
    assert done.returncode == 0, done.stderr
    assert ("--plot" in line) == (tmp_path / "p99.svg").exists()


@pytest.mark.parametrize(
    ("given", "status", "says"),
    [
        (("--batch-ms", "1:2"), 2, "'1:2' is not images=milliseconds"),
        (("--batch-ms", "0=2"), 2, "above 0"),
        (("--batch-ms", "1=nan"), 2, "above 0"),
        (("--engines", 1), 2, "--batch-ms 1=2.1,32=9"),
        (("--engines", 4, "--cores", 7, "--batch-ms", "1=2"), 2, "--cores 8 or more"),
        (("--batch-ms", ""), 2, "'' is not images=milliseconds"),
        (("--batch-ms", "1=2,1=3"), 2, "a batch of 1 has two times"),
        (("--image", "missing.jpg"), 2, "missing.jpg: No such file"),
        (("--image", __file__), 2, "test_capacity.py: these "),
        ((*GPU, "--rate", "inf"), 2, "--rate takes a finite number, not 'inf'"),
        (("--batch-ms", "1=2", "--decode-ms", "inf"), 2, "--decode-ms takes a finite number"),
        ((*GPU, "--precision", "int9"), 2, "--precision has no effect with --batch-ms"),
        ((*GPU, "--image", "a.jpg"), 2, "--image has no effect with --decode-ms"),
        ((*GPU, "--seconds", 3), 2, "--seconds has no effect with --batch-ms and --decode-ms"),
        ((*GPU, "--plot", "none/p99.svg"), 2, "there is no folder none"),
        ((*GPU, "--p99-ms", 1), 1, "allow more with --p99-ms"),
        ((*GPU, "--plot", "p99.docx"), 2, "p99.docx"),
    ],
)
def test_what_cannot_be_sized_is_refused(bundle: Path, given: tuple[object, ...], status: int, says: str) -> None:
    """In one sentence that says what to change."""
    done = in_process("capacity", bundle, *given)
    assert (done.returncode, says in done.stderr) == (status, True), done.stderr
