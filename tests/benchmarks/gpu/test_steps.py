"""Parity and ceiling on the CPU's provider, with a bundle of three colours; trtexec's command and output."""

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from benchmarks.gpu import ceiling, environment, parity, tensorrt
from benchmarks.gpu.ceiling import Ceiling, best, random_batch
from benchmarks.gpu.configurations import configurations, options
from benchmarks.gpu.results import RunConfiguration, Speed
from benchmarks.gpu.run_commands import bundles_of, names_of, numbers_of
from models.contract import MANIFEST, Bundle, read_bundle, sha256_of
from tests.support.bundles import change_manifest, write_bundle
from tests.support.variants import add_variant


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With an int8 variant whose golden tolerance its probabilities keep."""
    return add_variant(write_bundle(tmp_path))


@pytest.fixture
def bundle(folder: Path) -> Bundle:
    return read_bundle(folder)


@pytest.fixture(autouse=True)
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where steps leave their parts."""
    monkeypatch.setenv("OUT", str(tmp_path / "out"))
    return tmp_path / "out"


def run(step: object, *arguments: object) -> tuple[int, str]:
    """Exit status and what it printed, of a step's `main` as a command."""
    app = typer.Typer()
    app.command()(step)  # type: ignore[type-var]
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, done.output


def test_parity_of_every_variant_holds_on_the_cpu(folder: Path, output: Path) -> None:
    """What the golden images were computed with."""
    status, text = run(parity.main, "--bundles", folder, "--providers", "cpu")
    rows = json.loads((output / "parity.json").read_text())["rows"]
    assert status == 0, text
    assert [row["configuration"]["precision"] for row in rows] == ["fp32", "int8"]
    assert all(row["difference"] <= row["tolerance"] for row in rows)


def test_another_result_than_the_golden_one_fails_the_step(folder: Path) -> None:
    """Status 1, and the way that differs is named."""
    path = folder / "golden/probabilities.json"
    golden = json.loads(path.read_text())
    path.write_text(json.dumps({name: row[::-1] for name, row in golden.items()}))
    files = {file["path"]: file for file in json.loads((folder / MANIFEST).read_text())["files"]}
    files["golden/probabilities.json"] |= {"sha256": sha256_of(path), "bytes": path.stat().st_size}
    change_manifest(folder, files=list(files.values()))
    status, text = run(parity.main, "--bundles", folder, "--providers", "cpu")
    assert status == 1
    assert text.count("differs") == 2


def test_a_damaged_variant_is_a_row_with_a_reason(bundle: Bundle) -> None:
    """The others are compared all the same."""
    (bundle.path / "model.int8.onnx").write_bytes(b"damaged")
    rows = list(parity.compare([bundle], ["cpu"]))
    assert [row.holds for row in rows] == [False, False]
    assert "model.int8.onnx" in rows[0].reason


def test_ceiling_measures_every_size_with_one_and_two_callers(folder: Path, output: Path) -> None:
    """Tiny windows: what is tested is that numbers come, not which."""
    status, text = run(ceiling.main, "--bundles", folder, "--providers", "cpu", "--sizes", "4,1", "--window-s", "0.001")
    rows = json.loads((output / "ceiling.json").read_text())["rows"]
    assert status == 0, text
    assert {(row["configuration"]["precision"], row["batch_size"], row["callers"]) for row in rows} == {
        (precision, size, callers) for precision in ("fp32", "int8") for size in (1, 4) for callers in (1, 2)
    }


def test_a_way_that_cannot_be_opened_is_a_note(bundle: Bundle) -> None:
    """A provider that is not installed, say."""
    measured = Ceiling([1], 0.001)
    configuration = RunConfiguration(bundle="colours/1", provider="cuda", precision="fp32")
    assert list(measured.measure(bundle, configuration)) == []
    assert "cuda" in measured.part.notes[0]


def test_pixels_are_random_and_the_same_each_time(bundle: Bundle) -> None:
    """Devices are faster on black."""
    images = random_batch(bundle, 2).images
    assert images.shape == (2, *bundle.manifest.input.shape)
    assert images.std() > 50
    np.testing.assert_array_equal(images, random_batch(bundle, 2).images)


def test_the_ways_of_a_gpu(bundle: Bundle) -> None:
    """On CUDA buffers, graphs and TF32 are compared; TensorRT runs as the service has it."""
    cuda = [configuration.words for configuration in configurations(bundle, ["cuda"])]
    assert cuda == [
        "fp32",
        "fp32, bound buffers",
        "fp32, bound buffers, CUDA graph",
        "fp32, TF32",
        "fp32, TF32, bound buffers",
        "fp32, TF32, bound buffers, CUDA graph",
        "int8",
        "int8, bound buffers",
        "int8, bound buffers, CUDA graph",
    ]
    assert [configuration.words for configuration in configurations(bundle, ["tensorrt"])] == [
        "fp32, bound buffers",
        "int8, bound buffers",
    ]


def test_a_way_becomes_the_options_of_the_service() -> None:
    """Unbound means that the engine prepares for no batch size."""
    configuration = RunConfiguration(
        bundle="a/1", provider="cuda", precision="fp32", tf32=True, bound=True, cuda_graph=True
    )
    found = options(configuration, 256)
    assert (found.largest, found.cuda_graph, found.tf32, found.strict) == (256, True, True, True)
    assert options(configuration.model_copy(update={"bound": False}), 256).largest == 0


def test_the_best_of_the_ways_that_fit() -> None:
    """By images a second of all callers."""
    configuration = RunConfiguration(bundle="a/1", provider="cuda", precision="fp16")
    slow = Speed(configuration=configuration, callers=1, batch_size=8, seconds=1)
    fast = Speed(
        configuration=configuration.model_copy(update={"provider": "tensorrt"}), callers=2, batch_size=8, seconds=1
    )
    assert best([slow, fast]) == fast
    assert best([slow, fast], provider="cuda") == slow
    assert best([slow, fast], provider="cpu") is None


def test_the_environment_names_providers_and_their_options(output: Path) -> None:
    """Without a GPU there is no device, and a provider that is needed fails the step."""
    assert run(environment.main)[0] == 0
    found = json.loads((output / "environment.json").read_text())
    assert "cpu" in found["providers"]
    assert found["versions"]["onnxruntime"]
    assert run(environment.main, "--needs", "nothing-like-it")[0] == 1


@pytest.mark.parametrize(("call", "text"), [(bundles_of, "/nowhere"), (names_of, "abacus"), (numbers_of, "1,two")])
def test_bad_options_are_refused(call: object, text: str) -> None:
    """By typer, with a sentence."""
    with pytest.raises(typer.BadParameter):
        call(text)  # type: ignore[operator]


def test_trtexec_is_given_one_batch_size_and_the_fp16_graph_where_there_is_one(bundle: Bundle) -> None:
    """As NVIDIA's guide has it."""
    command = tensorrt.command("trtexec", bundle, 32, transfers=False, seconds=3)
    assert f"--onnx={bundle.path / 'model.onnx'}" in command
    assert {"--fp16", "--useCudaGraph", "--noDataTransfers", "--optShapes=image:32x16x16x3"} <= set(command)
    assert "--noDataTransfers" not in tensorrt.command("trtexec", bundle, 32, transfers=True, seconds=3)


def test_trtexec_counts_batches_a_second() -> None:
    """In the words of its log; the numbers are made up."""
    assert tensorrt.parse("[I] === Performance summary ===\n[I] Throughput: 10.5 qps\n", 4) == 42
    with pytest.raises(ValueError, match="no throughput"):
        tensorrt.parse("&&&& FAILED", 4)


@pytest.mark.skipif(tensorrt.trtexec() is not None, reason="trtexec is installed")
def test_without_trtexec_the_step_is_not_run(output: Path) -> None:
    """Which is another status than that of a failure."""
    assert run(tensorrt.main)[0] == tensorrt.NOT_INSTALLED
    assert not output.exists()
