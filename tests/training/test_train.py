"""`snellen train` from files to a bundle, on tiny data."""

import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from models.contract import Colour, Input, Resize, preprocess, read_bundle
from snellen.commands.import_network import import_network
from snellen.commands.train import train
from snellen.help_text import choices
from tests.support.bundles import write_bundle
from tests.training.conftest import LABELS, idx, striped, write_dataset
from training.data.sources.idx import read_idx
from training.errors import BundleExistsError
from training.evaluation.evaluate import evaluate_bundle
from training.importing.golden_images import check_golden
from training.loop.config import TrainingConfig, read_config
from training.loop.data_record import DataRecord, read_record
from training.loop.device import DeviceName
from training.loop.recipe import OptimizerName, Recipe, ScheduleName
from training.loop.run_lock import RunLock
from training.train import _begin_run

app = typer.Typer()
app.command("train")(train)
app.command("import")(import_network)


def snellen(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def train_on(dataset: Path, models: Path, *more: str) -> Result:
    runs = models.parent / f"{models.name}-runs"
    options = ("--data", dataset, "--models", models, "--runs", runs, "--name", "stripes", "--labels", ",".join(LABELS))
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
    assert set(manifest.calibration.prediction_sets.measured_coverage) == {"0.8", "0.9", "0.95"}  # 20 images: no 0.99
    assert manifest.calibration.weak == "fitted on 20 images; at least 200 are needed"
    assert manifest.calibration.baseline is not None
    assert (manifest.calibration.baseline.images, len(manifest.calibration.baseline.classes)) == (20, 4)
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
    """Exit status 2, and the message names the two ways out."""
    result = train_on(data, models, "--version", "1")
    assert result.exit_code == 2
    assert "leave out --version to write 2" in result.output
    assert "--version 1 --overwrite" in result.output


def test_the_last_lines_say_what_was_measured_and_how_to_serve(data: Path, tmp_path: Path) -> None:
    """Accuracy, calibration in a sentence, and a command."""
    result = train_on(data, tmp_path / "models", "--epochs", "1")
    assert result.exit_code == 0, result.output
    wrote, accuracy, calibration, serve = result.stdout.splitlines()
    assert wrote == f"wrote {tmp_path / 'models/stripes/1'}"
    assert re.fullmatch(
        r"accuracy +\d+% of the 80 test images are classified correctly \(95 % interval .* to .* %\)", accuracy
    )
    assert re.match(
        r"calibration the probability of the best class differs from the share of right answers by", calibration
    )
    assert "over 80 images (ECE)" in calibration
    assert serve.endswith(f"serve --models {tmp_path / 'models'} --default-model stripes")


def test_a_model_is_named_after_its_data_and_takes_the_next_version(dataset: Path, tmp_path: Path) -> None:
    """Each run has a version of its own, whether a bundle or only a run holds the former one."""
    places = ("--models", tmp_path / "models", "--runs", tmp_path / "runs")
    command = ("train", "--data", dataset, *places, "--epochs", "1", "--batch-size", "16")
    named = ("--labels", ", ".join(LABELS))
    (tmp_path / "runs" / "data" / "2").mkdir(parents=True)
    assert snellen(*command, *named).exit_code == 0
    again = snellen(*command, *named)
    assert again.exit_code == 0, again.output
    assert sorted(path.name for path in (tmp_path / "models" / "data").iterdir()) == ["3", "4"]
    assert read_bundle(tmp_path / "models" / "data" / "3").manifest.labels == LABELS


def test_data_with_a_name_of_another_model_need_a_name(dataset: Path, tmp_path: Path) -> None:
    """A folder that is called as a model with other classes does not become that model's newest version."""
    write_bundle(tmp_path / "models", name="data")
    places = ("--models", tmp_path / "models", "--runs", tmp_path / "runs")
    command = ("train", "--data", dataset, *places, "--epochs", "1", "--batch-size", "16")
    refused = snellen(*command)
    assert refused.exit_code == 2
    assert "has other classes than" in refused.output
    assert "--name data makes a new version all the same" in refused.output
    assert sorted(path.name for path in (tmp_path / "models" / "data").iterdir()) == ["1"]
    assert not (tmp_path / "runs").exists()
    assert snellen(*command, "--name", "data").exit_code == 0


def test_the_command_has_the_choices_and_ranges_of_the_recipe() -> None:
    """They are written twice, since the command imports nothing heavy before it runs."""
    command: Any = typer.main.get_command(app)
    options = {option.name: option for option in command.commands["train"].params}
    for name, kind in (
        ("optimizer", OptimizerName),
        ("schedule", ScheduleName),
        ("device", DeviceName),
        ("resize", Resize),
    ):
        assert choices(options[name]) == get_args(kind)
    for fields, names in (
        (Recipe.model_fields, ("epochs", "batch_size", "freeze", "unfreeze")),
        (TrainingConfig.model_fields, ("seed", "threads", "version")),
    ):
        for name in names:
            limits = [(getattr(each, "ge", None), getattr(each, "le", None)) for each in fields[name].metadata]
            lows, highs = ({each for each in side if each is not None} for side in zip(*limits, strict=True))
            option = options[name]
            assert ({option.min} - {None}, {option.max} - {None}) == (lows, highs), name


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--resume",), "name it with --name"),
        (("--resume", "--name", "none"), "there is no run to resume in"),
        (("--overwrite",), "say which one with --version"),
        (("--changed-data",), "give --resume, too"),
        (("--size", "320x"), "such as 224, or width x height such as 320x96"),
        (("--pad-colour", "red"), "such as 114,114,114, or one number for grey"),
    ],
)
def test_an_option_that_needs_another_is_refused(
    options: tuple[str, ...], says: str, data: Path, tmp_path: Path
) -> None:
    """One sentence, exit status 2."""
    result = snellen("train", "--data", data, "--models", tmp_path / "m", "--runs", tmp_path / "r", *options)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert says in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_missing_data_ends_with_one_line(tmp_path: Path) -> None:
    """No traceback: what is missing and what can be given instead. Nothing is left anywhere."""
    result = train_on(tmp_path / "nowhere", tmp_path / "models")
    assert result.exit_code == 2
    assert "fashion-mnist" in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_the_name_of_a_data_set_is_pointed_out_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is read or downloaded, so also where that fails."""
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    result = snellen("train", "--data", "digits", "--labels", "one,two", "--models", "models", "--runs", "runs")
    assert result.exit_code == 2
    first, second = result.output.splitlines()
    assert first == (
        "digits is the data set of this name; what is called digits in this folder is read with --data ./digits"
    )
    assert "digits has 10 classes, but 2 labels are given" in second


def test_a_name_unfit_for_a_folder_is_refused(data: Path, tmp_path: Path) -> None:
    """A name that would leave the repository stops the run before it reads data."""
    result = train_on(data, tmp_path, "--name", "../elsewhere")
    assert result.exit_code == 2
    assert "name" in result.output


def test_a_damaged_test_set_stops_the_run_before_it_trains(tmp_path: Path, dataset: Path) -> None:
    """Nobody waits for an error that could be seen at the start."""
    (dataset / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(3, np.uint8)))
    result = train_on(dataset, tmp_path / "models")
    assert result.exit_code == 2
    assert "80 images but 3 labels" in result.output
    assert not (tmp_path / "models").exists()


def test_what_failed_after_training_is_repeated_without_training(
    tmp_path: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export that fails loses nothing: --resume makes the bundle of the weights that are there."""
    from training import train as training

    with monkeypatch.context() as patched:
        patched.setattr(training, "PARITY_TOLERANCE", 0)
        patched.setattr(training, "export", _failing_export)
        assert train_on(dataset, tmp_path / "models", "--epochs", "1").exit_code == 1
    again = snellen(
        "train", "--resume", "--name", "stripes", "--models", tmp_path / "models", "--runs", tmp_path / "models-runs"
    )
    assert again.exit_code == 0, again.output
    assert "epoch 1" not in again.output
    read_bundle(tmp_path / "models" / "stripes" / "1").check_files()


def test_ctrl_c_after_the_training_says_how_the_bundle_is_made(
    tmp_path: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left in the repository, and the printed command makes the bundle."""
    from training import train as training

    with monkeypatch.context() as patched:
        patched.setattr(training, "export", _interrupted_export)
        stopped = train_on(dataset, tmp_path / "models", "--epochs", "1")
    assert stopped.exit_code == 130
    assert list((tmp_path / "models").rglob("*.json")) == []
    said, _, command = stopped.stderr.splitlines()[-1].partition(" make it with: snellen ")
    assert said == "snellen: stopped before the bundle was there; it is trained:"
    again = snellen(*shlex.split(command))
    assert again.exit_code == 0, again.output
    read_bundle(tmp_path / "models" / "stripes" / "1").check_files()


def _interrupted_export(*_: object) -> None:
    raise KeyboardInterrupt


def _failing_export(*_: object) -> None:
    raise OSError("no space left on the device")


def test_a_run_that_is_there_is_not_overwritten_by_chance(data: Path, models: Path, tmp_path: Path) -> None:
    """The message names both ways out."""
    del models
    folder = tmp_path / "models"
    assert train_on(data, folder, "--epochs", "1").exit_code == 0
    (folder / "stripes").rename(folder / "elsewhere")
    refused = train_on(data, folder, "--epochs", "1", "--version", "1")
    assert refused.exit_code == 2
    assert "--resume" in refused.output
    assert "--overwrite" in refused.output


def test_of_two_trainings_that_begin_together_one_is_refused(tmp_path: Path) -> None:
    """Both take the same free version, and read their images before they write: the second must not delete the run."""
    folder = tmp_path / "stripes/1"
    first, second = (TrainingConfig(name="stripes", data="x", seed=seed) for seed in (1, 2))
    record = DataRecord(labels=LABELS, parts={})
    _begin_run(first, record, folder, overwrite=False)
    (folder / "checkpoint.pt").touch()
    with pytest.raises(BundleExistsError, match="holds a run"):
        _begin_run(second, record, folder, overwrite=False)
    assert (read_config(folder), (folder / "checkpoint.pt").exists()) == (first, True)
    _begin_run(second, record, folder, overwrite=True)
    assert (read_config(folder), (folder / "checkpoint.pt").exists()) == (second, False)


def test_a_configuration_file_names_the_run_and_its_data(data: Path, tmp_path: Path) -> None:
    """What the file says holds where the command line says nothing."""
    file = tmp_path / "run.toml"
    file.write_text(
        f'name = "striped"\ndata = "{data}"\nlabels = ["a", "b", "c", "d"]\n[recipe]\nepochs = 1\nbatch_size = 16\n'
    )
    places = ("--models", tmp_path / "models", "--runs", tmp_path / "runs")
    result = snellen("train", "--config", file, *places)
    assert result.exit_code == 0, result.output
    assert read_bundle(tmp_path / "models" / "striped" / "1").manifest.labels == ("a", "b", "c", "d")


def test_overwriting_a_run_starts_from_nothing(data: Path, tmp_path: Path) -> None:
    """The history is that of the new run alone."""
    for _ in range(2):
        assert train_on(data, tmp_path / "models", "--epochs", "1", "--version", "1", "--overwrite").exit_code == 0
    history = tmp_path / "models-runs" / "stripes" / "1" / "history.jsonl"
    assert len(history.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--network", "resnet-9000"), "there is no network 'resnet-9000'"),
        (("--network", "alexnet"), "needs images of at least 63x63 pixels"),
        (("--labels", "one,two"), "label"),
        (("--freeze", "1"), "give --from"),
        (("--device", "cuda"), "there is no device cuda here"),
        (("--network", "two-conv", "--set", "mirror=true"), "mirroring needs a network"),
        (("--set", "unfamiliar=['letters']"), "letters"),
    ],
)
def test_what_cannot_work_is_said_before_training(
    options: tuple[str, ...], says: str, data: Path, tmp_path: Path
) -> None:
    """One line, exit status 2, and nothing on disk."""
    result = train_on(data, tmp_path / "models", *options)
    assert result.exit_code == 2
    assert says in result.output
    assert "epoch 1/" not in result.output
    assert not (tmp_path / "models").exists()


def test_resuming_with_other_settings_is_refused(tmp_path: Path, dataset: Path) -> None:
    """A run keeps its configuration, so that it ends where it would have."""
    train_on(dataset, tmp_path / "models", "--epochs", "1")
    refused = train_on(dataset, tmp_path / "models", "--resume", "--overwrite")
    assert refused.exit_code == 2
    assert "leave out" in refused.output


def test_an_unknown_network_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    """`snellen import` lists what it can import."""
    result = snellen("import", "resnet-9000", "--models", tmp_path)
    assert result.exit_code == 2
    assert "efficientnet-lite0" in result.output


@pytest.fixture
def heeded_interrupts() -> Iterator[None]:
    """A shell starts background jobs with SIGINT ignored, and children inherit that; a handler of ours they do not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded_interrupts")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_checkpoint_and_no_bundle(number: signal.Signals, data: Path, tmp_path: Path) -> None:
    """A real process in the middle of training: the status a shell expects, one line, and --resume goes on."""
    places = ["--models", str(tmp_path / "models"), "--runs", str(tmp_path / "runs"), "--name", "stripes"]
    command = [sys.executable, "-m", "snellen", "train", *places]
    options = ["--data", str(data), "--labels", ",".join(LABELS), "--epochs", "5000", "--batch-size", "16"]
    with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith("epoch 1/5000"):
            assert process.poll() is None
        process.send_signal(number)
        rest = process.stderr.read()
    assert process.returncode == 128 + number
    assert rest.splitlines()[-1].startswith(f"snellen: stopped by {number.name}")
    moved = f"--runs {tmp_path / 'runs'} --models {tmp_path / 'models'}"
    resume = f"snellen train --resume --name stripes --version 1 {moved}"
    assert rest.splitlines()[-1].endswith(f": go on with: {resume}")
    assert "Traceback" not in rest
    assert (tmp_path / "runs/stripes/1/checkpoint.pt").exists()
    assert not (tmp_path / "models").exists()


def write_folders(root: Path, counts: dict[str, int], seed: int = 1) -> Path:
    """Write class folders of striped pictures: as many of each as `counts` says, of the first stripes."""
    for label, (name, count) in enumerate(counts.items()):
        images, labels = striped(count * len(LABELS), seed)
        (root / name).mkdir(parents=True)
        for index, image in enumerate(images[labels == label]):
            Image.fromarray(image).save(root / name / f"{seed}-{index}.png")
    return root


COUNTS = {"big cat": 24, "face": 24, "vehicle": 24}


@pytest.fixture(scope="module")
def finished_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `photos`, `runs` of one finished run, and `models` with its bundle."""
    folder = tmp_path_factory.mktemp("finished")
    write_folders(folder / "photos", COUNTS)
    places = ("--models", folder / "models", "--runs", folder / "runs", "--name", "photos")
    made = snellen("train", *places, "--data", folder / "photos", "--epochs", "1")
    assert made.exit_code == 0, made.output
    return folder


@pytest.fixture
def finished(finished_once: Path, tmp_path: Path) -> list[str]:
    """Copy images and run, but not the bundle, and return the command that makes it again."""
    shutil.copytree(finished_once / "photos", tmp_path / "photos")
    shutil.copytree(finished_once / "runs", tmp_path / "runs")
    config = tmp_path / "runs/photos/1/config.json"
    config.write_text(config.read_text().replace(str(finished_once), str(tmp_path)))
    return [
        "train",
        "--models",
        f"{tmp_path / 'models'}",
        "--runs",
        f"{tmp_path / 'runs'}",
        "--name",
        "photos",
        "--resume",
    ]


def test_a_run_is_not_resumed_with_other_labels(finished: list[str], tmp_path: Path) -> None:
    """A renamed class folder would move the answers of all classes; nothing is written."""
    (tmp_path / "photos/vehicle").rename(tmp_path / "photos/aaa_vehicle")
    for options in ((), ("--changed-data",)):
        refused = snellen(*finished, *options)
        assert (refused.exit_code, refused.stderr.splitlines()[-1].count("class 0 was 'big cat'")) == (2, 1)
        assert not (tmp_path / "models").exists()


def test_a_run_is_not_resumed_with_other_images_unless_they_are_allowed(finished: list[str], tmp_path: Path) -> None:
    """The split would be drawn anew, and images that trained would judge. The card says it where it is allowed."""
    write_folders(tmp_path / "more", {"face": 3}, seed=7)
    for path in (tmp_path / "more/face").iterdir():
        path.rename(tmp_path / "photos/face" / path.name)
    refused = snellen(*finished)
    assert refused.exit_code == 2
    assert "images then" in refused.stderr
    assert "--resume --changed-data" in refused.stderr
    assert not (tmp_path / "models").exists()
    allowed = snellen(*finished, "--changed-data")
    assert allowed.exit_code == 0, allowed.output
    assert "images changed while it was trained" in (tmp_path / "models/photos/1/MODEL_CARD.md").read_text()


def test_data_that_moved_are_found_where_the_command_says(
    finished: list[str], finished_once: Path, tmp_path: Path
) -> None:
    """The same images under another path, on another device and with other threads, are the same run. A run that has
    its bundle is not resumed.
    """
    (tmp_path / "photos").rename(tmp_path / "pictures")
    refused = snellen(*finished)
    assert refused.exit_code == 2
    assert "say where they are, with --resume --data" in refused.stderr
    moved = snellen(*finished, "--data", tmp_path / "pictures", "--device", "cpu", "--threads", "1")
    assert moved.exit_code == 0, moved.output
    assert read_config(tmp_path / "runs/photos/1").data == str(tmp_path / "pictures")
    before, after = (read_bundle(folder / "models/photos/1").file("model.onnx") for folder in (finished_once, tmp_path))
    assert before.read_bytes() == after.read_bytes()
    again = snellen(*finished)
    assert again.exit_code == 2
    assert "has nothing left to do" in again.stderr


def test_a_run_of_an_earlier_version_is_resumed_with_a_sentence(finished: list[str], tmp_path: Path) -> None:
    """It has no record of its images; from now on it has."""
    record = tmp_path / "runs/photos/1/data.json"
    record.unlink()
    again = snellen(*finished)
    assert again.exit_code == 0, again.output
    assert "has no record of its images" in again.stderr
    assert record.exists()


def test_a_run_that_ended_before_its_first_checkpoint_begins_anew(finished: list[str], tmp_path: Path) -> None:
    """As after kill -9 or a power cut in the first epoch; it learns what it would have learnt."""
    folder = tmp_path / "runs/photos/1"
    before = torch.load(folder / "network.pt", weights_only=True)["weights"]
    (folder / "checkpoint.pt").unlink()
    again = snellen(*finished)
    assert again.exit_code == 0, again.output
    assert f"{folder} has no checkpoint yet: it begins with the first epoch" in again.stderr
    assert len((folder / "history.jsonl").read_text().splitlines()) == 1
    after = torch.load(folder / "network.pt", weights_only=True)["weights"]
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_run_that_another_process_trains_is_left_to_it(finished: list[str], tmp_path: Path) -> None:
    """Two processes would write the same checkpoint."""
    command = [*finished[:-1], "--data", str(tmp_path / "photos"), "--epochs", "1"]
    with RunLock() as lock:
        lock.take(tmp_path / "runs/photos/1")
        for refused in (
            snellen(*finished),
            snellen(*command),
            snellen(*command, "--version", "1", "--overwrite"),
        ):
            assert refused.exit_code == 2
            assert "another process trains" in refused.stderr
    assert not (tmp_path / "models").exists()


def test_the_same_command_twice_says_what_to_do(finished: list[str], tmp_path: Path) -> None:
    """A run without a bundle is gone on with; where there is one, the next version is trained, with a sentence."""
    command = [*finished[:-1], "--data", str(tmp_path / "photos"), "--epochs", "1", "--device", "cuda"]
    refused = snellen(*command)
    assert refused.exit_code == 2
    assert "go on with --resume --name photos, or begin another one with --version 2" in refused.stderr
    assert not (tmp_path / "models").exists()
    write_bundle(tmp_path / "models", name="photos")
    again = snellen(*command)
    assert "was trained with the same settings; this run is version 2" in again.stderr
    assert "there is no device cuda here" in again.stderr  # or the test would train


def test_a_run_from_another_keeps_what_it_knows_of_each_class(finished: list[str], tmp_path: Path) -> None:
    """Classes in another order, and one more: the first loss is not that of answers which go to the wrong classes."""
    (tmp_path / "photos/vehicle").rename(tmp_path / "photos/aaa_vehicle")
    options = ("--data", tmp_path / "photos", "--epochs", "1", "--from", tmp_path / "runs/photos/1")
    made = snellen(*finished[:-1], *options)
    assert made.exit_code == 0, made.output
    assert "the head keeps 2 classes of" in made.stderr
    assert read_bundle(tmp_path / "models/photos/2").manifest.labels == ("aaa_vehicle", "big cat", "face")


def test_a_run_from_another_has_its_network_and_prepares_images_as_it_did(tmp_path: Path) -> None:
    """Network, input and letterbox are those that the weights were trained with, and the bundle names them."""
    write_folders(tmp_path / "photos", COUNTS)
    places = ("--data", tmp_path / "photos", "--models", tmp_path / "models", "--runs", tmp_path / "runs")
    padded = ("--network", "three-conv", "--size", "32x24", "--resize", "pad", "--pad-colour", "90")
    first = snellen("train", *places, "--epochs", "1", "--name", "first", *padded)
    assert first.exit_code in (0, 3), first.output
    second = snellen("train", *places, "--epochs", "1", "--name", "second", "--from", tmp_path / "runs/first/1")
    assert second.exit_code in (0, 3), second.output
    before, after = (read_bundle(tmp_path / "models" / name / "1").manifest for name in ("first", "second"))
    assert (after.architecture, after.input) == ("three-conv", Input(colour=Colour.RGB, width=32, height=24))
    assert (after.preprocessing, after.preprocessing.pad_colour) == (before.preprocessing, (90, 90, 90))
    third = snellen("train", *places, "--epochs", "1", "--name", "third", "--from", tmp_path / "runs/second/1")
    assert third.exit_code in (0, 3), third.output
    refused = snellen("train", *places, "--from", tmp_path / "runs/first/1", "--network", "two-conv")
    assert (refused.exit_code, "is three-conv: leave out --network" in refused.output) == (2, True)


def test_a_run_no_better_than_guessing_has_an_exit_status_of_its_own(tmp_path: Path) -> None:
    """The bundle is there and says so; classes too small to hold images out have trained, and are named."""
    write_folders(tmp_path / "photos", {"face": 20, "fish": 20, "rare": 2})
    places = ("--models", tmp_path / "models", "--runs", tmp_path / "runs")
    made = snellen("train", "--data", tmp_path / "photos", *places, "--epochs", "1", "--lr", "1e-12")
    assert made.exit_code == 3, made.output
    first, *others = made.stderr.splitlines()
    assert "1 epoch of 16 steps with 16 images" in first
    assert "these classes are too small to hold images out, so all are for training: rare (2)" in others
    assert "classes are uneven" in made.stderr
    assert "--balance" in made.stderr
    assert others[-1].startswith("snellen: no better than guessing, as far as 4 held-out images tell")
    assert "--from imagenet" in others[-1]
    bundle = read_bundle(tmp_path / "models/photos/1")
    assert bundle.manifest.labels == ("face", "fish", "rare")
    assert bundle.manifest.provenance.notes[0].startswith("No better than guessing, as far as 4 held-out")
    assert "No better than guessing" in (bundle.path / "MODEL_CARD.md").read_text()


def test_images_of_none_of_the_classes_are_run_only_for_a_threshold(
    finished: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few images give no energy threshold, so that a thousand pictures of noise would be run for nothing."""
    from training import train as training

    monkeypatch.setattr(training, "out_of_distribution", _failing_export)
    made = snellen(*finished)
    assert made.exit_code == 0, made.output


def write_numbers(folder: Path, *parts: str) -> Path:
    """Three classes that are numbers, of 5 grey pictures each and part, brighter from class to class."""
    random = np.random.default_rng(0)
    for part in parts:
        for brightness, name in enumerate(("1", "2", "10")):
            (folder / part / name).mkdir(parents=True)
            for number in range(5):
                pixels = random.integers(80 * brightness, 80 * brightness + 60, (12, 12), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / part / name / f"{number}.png")
    return folder


def train_numbers(folder: Path, *more: str) -> Result:
    places = ("--models", folder / "models", "--runs", folder / "runs", "--name", "numbers")
    options = () if "--resume" in more else ("--data", folder / "data", "--epochs", "1", "--batch-size", "4")
    return snellen("train", *places, *options, *more)


def test_the_classes_of_a_model_keep_their_numbers(tmp_path: Path) -> None:
    """A run that is older than the order of numbers is resumed in its own order, and new versions keep it."""
    write_numbers(tmp_path / "data", "")
    result = train_numbers(tmp_path)
    assert result.exit_code in (0, 3), result.output
    bundle = tmp_path / "models/numbers/1"
    assert read_bundle(bundle).manifest.labels == ("1", "2", "10")
    shutil.rmtree(bundle)
    (tmp_path / "runs/numbers/1/data.json").unlink()
    result = train_numbers(tmp_path, "--resume")
    assert result.exit_code in (0, 3), result.output
    assert read_bundle(bundle).manifest.labels == ("1", "10", "2")
    result = train_numbers(tmp_path)
    assert result.exit_code in (0, 3), result.output
    assert read_bundle(tmp_path / "models/numbers/2").manifest.labels == ("1", "10", "2")
    shutil.rmtree(tmp_path / "models")
    result = train_numbers(tmp_path, "--resume")
    assert result.exit_code in (0, 3), result.output
    assert read_bundle(tmp_path / "models/numbers/2").manifest.labels == ("1", "10", "2")


def test_a_bundle_has_no_folders_of_this_machine(tmp_path: Path) -> None:
    """Its manifest and card name the data; the run has the path."""
    write_numbers(tmp_path / "data", "train")
    shutil.copy(tmp_path / "data/train/1/0.png", tmp_path / "data/train/2/copy.png")
    result = train_numbers(tmp_path)
    assert result.exit_code in (0, 3), result.output
    bundle = tmp_path / "models/numbers/1"
    assert read_bundle(bundle).manifest.provenance.dataset == "pictures of data"
    for name in ("manifest.json", "MODEL_CARD.md"):
        assert str(tmp_path) not in (bundle / name).read_text()
    assert str(tmp_path / "data") == read_config(tmp_path / "runs/numbers/1").data
    first, (row,) = (lines := (tmp_path / "runs/numbers/1/duplicates.csv").read_text().splitlines())[0], lines[1:]
    assert first.startswith("kind,first,second")
    assert row.startswith("two labels,")


def test_images_in_two_parts_are_listed_in_the_folder_of_runs(tmp_path: Path) -> None:
    """All of them, and nothing is trained."""
    write_numbers(tmp_path / "data", "train")
    shutil.copytree(tmp_path / "data/train", tmp_path / "data/Testing")
    result = train_numbers(tmp_path)
    assert result.exit_code == 2
    assert "15 images are in two parts: remove each from one of the two" in result.output
    assert f"{tmp_path}/runs/numbers/duplicates.csv has all of them" in result.output
    assert len((tmp_path / "runs/numbers/duplicates.csv").read_text().splitlines()) == 16
    assert not (tmp_path / "models").exists()
    assert [path.name for path in (tmp_path / "runs/numbers").iterdir()] == ["duplicates.csv"]


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wide pictures of 420x100 whose label is decided at their ends: bright or dark there, noise between them."""
    folder, random = tmp_path_factory.mktemp("edges"), np.random.default_rng(0)
    for name, level in (("bright", 255), ("dark", 0)):
        (folder / name).mkdir()
        for number in range(40):
            pixels = random.integers(0, 256, (100, 420), np.uint8)
            pixels[:, :90] = pixels[:, -90:] = level
            Image.fromarray(pixels).convert("RGB").save(folder / name / f"{number}.jpg")
    return folder


EDGE_CASES = {
    "crop": (("--size", "32"), 0.8, (32, 32)),
    "pad": (("--size", "32", "--resize", "pad", "--pad-colour", "90"), 0.95, (32, 32)),
    "squash": (("--size", "32", "--resize", "squash"), 0.95, (32, 32)),
    "wide": (("--size", "96x24"), 0.8, (96, 24)),
}


@pytest.mark.parametrize("case", EDGE_CASES)
def test_what_decides_at_the_edges_is_learnt_where_it_is_seen(case: str, edges: Path, tmp_path: Path) -> None:
    """By padding, squeezing or a wide input; a centre crop of the same pictures guesses, and was warned of."""
    options, accuracy, (width, height) = EDGE_CASES[case]
    places = ("--models", tmp_path / "models", "--runs", tmp_path / "runs", "--name", "edges", "--epochs", "4")
    held_out = ("--set", "validation=0.25", "--set", "calibration=0.25", "--network", "three-conv", "--threads", "1")
    result = snellen("train", "--data", edges, *places, *held_out, *options)
    assert result.exit_code in (0, 3), result.output
    manifest = read_bundle(tmp_path / "models/edges/1").manifest
    assert manifest.input == Input(colour=Colour.RGB, width=width, height=height)
    warned = "80 of 80 pictures are wider or taller than 1.6:1: a centre crop never sees 76 % of a typical one"
    assert (warned in result.output) is (case == "crop")
    assert any(warned in note for note in manifest.provenance.notes) is (case == "crop")
    assert ("whole pictures with --resize squash or pad, train for" in result.output) is (result.exit_code == 3)
    reached = manifest.variants[0].metrics.top1
    assert reached is not None
    assert reached < accuracy if case == "crop" else reached >= accuracy
    if case == "pad":
        assert manifest.preprocessing.pad_colour == (90, 90, 90)
        again = snellen("train", "--resume", "--overwrite", *places[:-2])
        assert again.exit_code == 0, again.output
        assert read_bundle(tmp_path / "models/edges/1").manifest.preprocessing == manifest.preprocessing


def test_a_sensor_of_twelve_bits_is_learnt_and_served_as_such(tmp_path: Path) -> None:
    """The bits are measured, kept in run and bundle, and the bundle reads a file as its training did."""
    data = tmp_path / "scans"
    images, labels = striped(80, 3)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = data / LABELS[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.astype(np.uint16) << 4).save(folder / f"{number}.png")
    places = ("--data", data, "--models", tmp_path / "models", "--runs", tmp_path / "runs")
    result = snellen("train", *places, "--epochs", "1", "--no-flip")
    assert result.exit_code in (0, 3), result.output
    assert "use values up to 3,8" in result.output, result.output
    bundle = read_bundle(tmp_path / "models/scans/1")
    assert bundle.manifest.preprocessing.bits == 12
    record = read_record(tmp_path / "runs/scans/1")
    assert record is not None
    assert record.bits == 12
    stored = Image.open(data / LABELS[labels[0]] / "0.png")
    seen = preprocess(stored, bundle.manifest.input, bundle.manifest.preprocessing)
    np.testing.assert_array_equal(seen[:, :, 0], images[0])
    again = snellen("train", *places[2:], "--name", "scans", "--resume", "--overwrite")
    assert again.exit_code == result.exit_code, again.output
    assert read_bundle(tmp_path / "models/scans/1").manifest.preprocessing.bits == 12
    for path in data.rglob("*.png"):
        Image.fromarray((np.asarray(Image.open(path)) >> 4).astype(np.uint8)).save(path)
    eight = snellen("train", *places, "--name", "eight", "--epochs", "1", "--no-flip")
    assert read_bundle(tmp_path / "models/eight/1").manifest.preprocessing.bits == 16, eight.output
    for path in data.rglob("*.png"):
        Image.fromarray(np.asarray(Image.open(path)).astype(np.uint16) << 4).save(path)
    start = ("--from", tmp_path / "runs/eight/1", "--name", "more")
    more = snellen("train", *places, *start, "--epochs", "1", "--no-flip")
    assert "use values up to 3,8" in more.output, more.output
    assert read_bundle(tmp_path / "models/more/1").manifest.preprocessing.bits == 12
