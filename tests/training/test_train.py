"""`snellen train` from files to a bundle, on tiny data."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from models.contract import read_bundle
from snellen.import_network import import_network
from snellen.train import train
from tests.training.conftest import LABELS, idx, write_dataset
from training.data.idx import read_idx
from training.evaluate import evaluate_bundle
from training.golden import check_golden

app = typer.Typer()
app.command("train")(train)
app.command("import")(import_network)


def snellen(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def train_on(dataset: Path, models: Path, *more: str) -> Result:
    options = ("--data", dataset, "--models", models, "--name", "stripes", "--labels", ",".join(LABELS))
    return snellen("train", *options, "--epochs", "6", "--batch-size", "16", *more)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def models(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    result = train_on(data, folder)
    assert result.exit_code == 0, result.output
    return folder


def test_training_ends_in_a_bundle_that_the_contract_reads(models: Path) -> None:
    """Hashes and golden images hold, and the labels are the ones given."""
    bundle = read_bundle(models / "stripes" / "1")
    bundle.check_files()
    assert check_golden(bundle) < 1e-4
    assert bundle.manifest.labels == LABELS
    assert bundle.manifest.class_map


def test_the_manifest_says_what_was_measured_and_how_to_repeat_it(models: Path) -> None:
    """Test accuracy, calibration before and after, measured sets, seed, duration, library versions."""
    manifest = read_bundle(models / "stripes" / "1").manifest
    (variant,) = manifest.variants
    assert variant.metrics.images == 80
    assert variant.metrics.top1 is not None
    assert variant.metrics.top1 > 0.8
    assert manifest.calibration.prediction_sets is not None
    assert set(manifest.calibration.prediction_sets.measured_coverage) == {"0.8", "0.9", "0.95", "0.99"}
    assert manifest.provenance.seed == 0
    assert manifest.provenance.duration_s
    assert "torch" in manifest.provenance.libraries


def test_evaluating_the_bundle_again_gives_the_manifests_figures(models: Path, data: Path) -> None:
    """Anybody with the data can check the metrics."""
    bundle = read_bundle(models / "stripes" / "1")
    again = evaluate_bundle(bundle, read_idx(data, "t10k", len(LABELS)))
    expected = bundle.manifest.variants[0].metrics
    assert again.metrics(expected.source).model_dump() == pytest.approx(expected.model_dump(), abs=1e-5)


def test_an_existing_version_is_refused_before_training(models: Path, data: Path) -> None:
    """Exit status 1, and the message names the two ways out."""
    result = train_on(data, models)
    assert result.exit_code == 1
    assert "--overwrite" in result.output
    assert "--version" in result.output


def test_missing_data_ends_with_one_line(tmp_path: Path) -> None:
    """No traceback: what is missing and where to get it. Nothing is left in the repository."""
    result = train_on(tmp_path / "nowhere", tmp_path / "models")
    assert result.exit_code == 1
    assert "dataset-fashion-mnist" in result.output
    assert list((tmp_path / "models").iterdir()) == []


def test_a_name_unfit_for_a_folder_is_refused(data: Path, tmp_path: Path) -> None:
    """A name that would leave the repository stops the run before it reads data."""
    result = train_on(data, tmp_path, "--name", "../elsewhere")
    assert result.exit_code == 1
    assert "name" in result.output


def test_a_damaged_test_set_leaves_no_bundle(tmp_path: Path, dataset: Path) -> None:
    """The error comes last, after training; still nothing half-made stays."""
    (dataset / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(3, np.uint8)))
    result = train_on(dataset, tmp_path / "models", "--epochs", "1")
    assert result.exit_code == 1
    assert "80 images but 3 labels" in result.output
    assert list((tmp_path / "models").iterdir()) == []


def test_an_unknown_network_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    """`snellen import` lists what it can import."""
    result = snellen("import", "resnet-9000", "--models", tmp_path)
    assert result.exit_code == 1
    assert "efficientnet-lite0" in result.output


@pytest.fixture
def heeded_interrupts() -> Iterator[None]:
    """A shell starts background jobs with SIGINT ignored, and children inherit that; a handler of ours they do not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded_interrupts")
def test_ctrl_c_ends_the_run_with_one_line_and_leaves_nothing(data: Path, tmp_path: Path) -> None:
    """A real process in the middle of training: status 130, no traceback, an empty repository."""
    command = [sys.executable, "-m", "snellen", "train", "--data", str(data), "--models", str(tmp_path)]
    options = ["--name", "stripes", "--labels", ",".join(LABELS), "--epochs", "5000", "--batch-size", "16"]
    with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("epoch 1/5000")
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert rest.splitlines()[-1] == "snellen: stopped, nothing was written"
    assert "Traceback" not in rest
    assert list(tmp_path.iterdir()) == []
