"""A run as the section `GPU` of RESULTS.md. All numbers here are made up."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from benchmarks.gpu import report, results
from benchmarks.gpu.device import Device, Use
from benchmarks.gpu.results import (
    CeilingPart,
    EndToEndPart,
    Environment,
    GpuResults,
    Parity,
    ParityPart,
    RunConfiguration,
    ServiceLoad,
    Speed,
    TensorRTPart,
    Trtexec,
)
from benchmarks.gpu.tables import aims, per_core
from benchmarks.load.locust_report import TITLE, replace_section

CONFIGURATION = RunConfiguration(bundle="a/1", provider="cuda", precision="fp16", bound=True)
LOAD = ServiceLoad(
    bundle="a/1",
    provider="cuda",
    precision="fp16",
    frontends=3,
    engines=1,
    connections=32,
    generator="python",
    per_s=1200.0,
    failed=0,
    p50_ms=5.0,
    p99_ms=9.0,
    mean_batch=8.0,
    cores=3.0,
    machine_cores=4,
    use=Use(samples=2, gpu_mean_percent=50, gpu_max_percent=60),
)
EARLIER = f"# Results\n\nwords\n\n{TITLE}\n\nof make load\n"


def speed(provider: str, images_per_s: float) -> Speed:
    configuration = CONFIGURATION.model_copy(update={"provider": provider})
    return Speed(configuration=configuration, callers=1, batch_size=100, seconds=100 / images_per_s)


def environment(device: Device | None) -> Environment:
    return Environment(
        date="2026-01-01 00:00 UTC",
        commit="abc",
        machine="4 cores",
        device=device,
        versions={"onnxruntime": "1"},
        providers=["cuda"],
        options={"cuda": {"use_tf32": "1"}, "cpu": {}},
    )


@pytest.fixture
def whole() -> GpuResults:
    rows = [speed("cuda", 900), speed("tensorrt", 1000)]
    return GpuResults(
        environment=environment(Device(name="made up", driver="1", memory="1 MiB")),
        parity=ParityPart(rows=[Parity(configuration=CONFIGURATION, difference=0.001, tolerance=0.01)]),
        ceiling=CeilingPart(rows=rows, notes=["a/1 on cuda: no memory\nmore"]),
        tensorrt=TensorRTPart(
            rows=[Trtexec(bundle="a/1", precision="fp16", batch_size=100, transfers=False, images_per_s=2000)]
        ),
        end_to_end=EndToEndPart(image="A.jpg", rows=[LOAD]),
    )


def test_every_part_has_its_table(whole: GpuResults) -> None:
    """With device, date, versions and the options of the providers."""
    text = report.section(whole)
    assert "- Date: 2026-01-01 00:00 UTC; commit abc" in text
    assert "- Device: made up, 1 MiB, driver 1" in text
    assert "- Options of cuda: `use_tf32=1`" in text
    assert "| a/1 | cuda | fp16, bound buffers | 0.001000 | 0.01 | holds |" in text
    assert "| a/1 | cuda | fp16, bound buffers | 1 | 900.0 |" in text
    assert "- Failed: a/1 on cuda: no memory\n" in text
    assert "| a/1 | fp16 | 100 | without | 2000 |" in text
    assert "| a/1 | cuda | fp16 | 3, 1 | 32 | python | 1200 | 300.0 | 400.0 | 0 |" in text
    assert "Not run." not in text


def test_aims_are_judged(whole: GpuResults) -> None:
    """Images for each core of the machine, and the best way of the service to trtexec."""
    (text,) = aims(whole)
    assert "| 300.0 | >= 290 | holds |" in text
    assert "| engine ceiling / trtexec fp16, a/1 | 0.50 | >= 0.8 | does not hold |" in text


def test_without_trtexec_the_provider_takes_its_place(whole: GpuResults) -> None:
    """CUDA to TensorRT, both within onnxruntime."""
    (text,) = aims(whole.model_copy(update={"tensorrt": None}))
    assert "| engine ceiling / the TensorRT provider in fp16, a/1 | 0.90 | >= 0.8 | holds |" in text


def test_a_load_with_failures_or_without_a_gpu_reaches_no_aim(whole: GpuResults) -> None:
    """Nor does what was not measured."""
    failed = EndToEndPart(rows=[LOAD.model_copy(update={"failed": 1})])
    assert per_core(whole.model_copy(update={"end_to_end": failed})) is None
    assert per_core(whole.model_copy(update={"environment": environment(None)})) is None


def test_what_was_not_run_is_named() -> None:
    """And no aim is reached by it."""
    text = report.section(GpuResults(environment=environment(None)))
    assert text.count("Not run.") == 4
    assert text.count("missing") == 2
    assert "- Device: none" in text


def test_a_run_replaces_the_last_one_and_nothing_else(whole: GpuResults) -> None:
    """The section of `make load` stays, and is still replaced by its own writer."""
    once = report.insert(EARLIER, report.section(whole))
    assert once.startswith("# Results\n\nwords\n\n" + report.BEGIN)
    assert once.endswith(f"{TITLE}\n\nof make load\n")
    assert report.insert(once, report.section(whole)) == once
    again = replace_section(once, f"{TITLE}\n\nnew\n")
    assert again == once.replace("of make load", "new")


def test_parts_on_disk_become_one_file_and_a_section(
    whole: GpuResults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also from the file alone, on another machine."""
    monkeypatch.setenv("OUT", str(tmp_path))
    for name in ("environment", "parity", "ceiling", "tensorrt", "end_to_end"):
        results.write(getattr(whole, name), name)
    pages = [tmp_path / "one.md", tmp_path / "two.md"]
    pages[0].write_text(EARLIER)
    pages[1].write_text(EARLIER)
    _report("--write", "--page", str(pages[0]))
    assert GpuResults.model_validate_json((tmp_path / "gpu.json").read_text()) == whole
    _report("--from", str(tmp_path / "gpu.json"), "--write", "--page", str(pages[1]))
    assert pages[0].read_text() == pages[1].read_text() == report.insert(EARLIER, report.section(whole))


def test_a_run_without_a_gpu_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its steps found."""
    monkeypatch.setenv("OUT", str(tmp_path))
    results.write(environment(None), "environment")
    page = tmp_path / "page.md"
    page.write_text(EARLIER)
    _report("--write", "--page", str(page), status=2)
    assert page.read_text() == EARLIER


def test_without_a_run_there_is_no_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status 2, and what to do."""
    monkeypatch.setenv("OUT", str(tmp_path))
    assert "run benchmarks/gpu.sh" in _report(status=2)


def _report(*arguments: str, status: int = 0) -> str:
    app = typer.Typer()
    app.command()(report.main)
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == status, done.output
    return done.output
