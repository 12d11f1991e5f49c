"""`snellen evaluate`, as a command in the environment of the service, which has no PyTorch."""

import csv
import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from onnx import numpy_helper
from PIL import Image

from models.contract import MANIFEST, Task
from tests.snellen.command import in_process, snellen
from tests.support.bundles import change_manifest, colour_graph, write_bundle
from tests.support.class_folders import FASHION, write_clothes, write_colours, write_multilabel_table
from tests.support.variants import add_variant
from training.evaluation.openvino_graph import bf16_obstacle


def test_a_shipped_bundle_is_measured_with_its_variants(tmp_path: Path) -> None:
    """Figures of each variant, of each class and of each confusion; what cannot be read is named."""
    photos = write_clothes(tmp_path / "photos", 20)
    (photos / "3" / "notes.txt").write_text("no picture")
    Image.open(photos / "4" / "000.png").save(photos / "4" / "000.avif")
    done = snellen(
        *("evaluate", FASHION, "--data", photos),
        *("--json", tmp_path / "figures.json", "--confusion", tmp_path / "confusion.csv"),
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if not line.startswith("bf16 is left out")] == [
        f"skipped {photos / '3' / 'notes.txt'}: not a picture in one of the formats "
        "JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF"
    ]
    assert done.stdout.startswith(f"fashion-mnist/3 on 201 images of {photos}, which must not have been trained on\n")
    assert all(
        text in done.stdout for text in ("top-5", "adaptive ECE", "same as fp32", "Ankle boot", "without decoding")
    )
    figures = json.loads((tmp_path / "figures.json").read_text())
    expected = ["fp32", "int8", "fp16", *(["bf16"] if bf16_obstacle() is None else [])]
    assert [each["precision"] for each in figures["variants"]] == expected
    assert figures["variants"][0]["scores"]["top1"] > 0.5
    assert figures["variants"][1]["agreement"]["same"] > 0.9
    with (tmp_path / "confusion.csv").open() as stream:
        cells = list(csv.DictReader(stream))
    assert sum(int(cell["images"]) for cell in cells) == 201
    right = sum(int(cell["images"]) for cell in cells if cell["true_class_id"] == cell["predicted_class_id"])
    assert right / 201 == pytest.approx(figures["variants"][0]["scores"]["top1"])


def test_variants_can_be_chosen(tmp_path: Path) -> None:
    """fp32 is always there, since the others are compared with it; 10 images say little."""
    done = snellen("evaluate", FASHION, "--data", write_clothes(tmp_path / "photos", 1), "--precision", "int8")
    assert done.returncode == 0, done.stderr
    assert next(line.split() for line in done.stdout.splitlines() if "fp32" in line) == ["fp32", "int8"]
    assert "10 images say little: the accuracy lies between" in done.stdout


def test_a_table_of_several_labels_is_measured_class_by_class(tmp_path: Path) -> None:
    """In the task multilabel."""
    folder = write_bundle(tmp_path / "models", task=Task.MULTILABEL)
    table = write_multilabel_table(tmp_path / "photos", 60)
    done = snellen("evaluate", folder, "--data", table)
    assert done.returncode == 0, done.stderr
    assert all(text in done.stdout for text in ("mean AP", "mean F1", "threshold", "60 images say little: measure on"))
    done = in_process("evaluate", folder, "--data", table, "--confusion", tmp_path / "c.csv")
    assert (done.returncode, "there is no confusion matrix" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--data", "nowhere"), "there are no images at 'nowhere'"),
        (("--data", "photos", "--precision", "bf16"), "'bf16' is no variant of the bundle: fp32"),
        (("--data", "photos", "--json", "none/f.json"), "--json: there is no folder none"),
        (("--data", "photos", "--json", "photos"), "--json: photos is a folder; name a file in it"),
        (("--data", "other"), "'Red' (nearest label: 'red', class_id 0) is no class of the bundle"),
        (("--data", "damaged"), "none of the 1 images of damaged can be read"),
    ],
    ids=["no data", "precision", "folder", "file", "class", "nothing readable"],
)
def test_a_refusal_is_one_sentence_and_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], reason: str
) -> None:
    """It says what to change, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    write_bundle(Path("models"))
    write_colours(Path("photos"), 1)
    shutil.copytree("photos/red", "other/Red")
    Path("damaged/red").mkdir(parents=True)
    Path("damaged/red/a.png").write_text("no picture")
    before = sorted(Path().rglob("*"))
    done = in_process("evaluate", "models/colours/1", *options)
    assert (done.returncode, reason in done.stderr, done.stderr.count("\n")) == (2, True, 1), done.stderr
    assert sorted(Path().rglob("*")) == before


def test_a_changed_bundle_is_refused(tmp_path: Path) -> None:
    """Figures of a damaged file would be of nothing."""
    folder = write_bundle(tmp_path / "models")
    with (folder / "model.onnx").open("ab") as stream:
        stream.write(b"more")
    done = in_process("evaluate", folder, "--data", write_colours(tmp_path / "photos", 1))
    assert (done.returncode, "model.onnx differs from the size and sha256" in done.stderr) == (2, True), done.stderr


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    """With its path."""
    done = snellen("evaluate", tmp_path / "none", "--data", tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"snellen: {tmp_path / 'none'}: manifest.json cannot be read: No such file or directory\n"


def test_a_model_without_its_version_gets_a_hint(tmp_path: Path) -> None:
    """The next command to type."""
    folder = write_bundle(tmp_path / "models")
    done = in_process("evaluate", folder.parent, "--data", tmp_path)
    assert done.returncode == 2
    assert f"is a model: name a version of it, as in {folder}" in done.stderr


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change to a folder with two versions of a bundle, the second of which sees less red, and with pictures."""
    monkeypatch.chdir(tmp_path)
    write_bundle(Path("models"))
    graph = colour_graph()
    for constant in graph.graph.initializer:
        if constant.name == "zero":
            constant.CopyFrom(numpy_helper.from_array(np.array((-2, 0, 0), np.float32), "zero"))
    write_bundle(Path("models"), version=2, graph=graph)
    write_colours(Path("photos"), 60)


@pytest.mark.usefixtures("versions")
def test_a_new_version_is_judged_against_the_one_that_serves() -> None:
    """With changed images on the screen and in a file, the verdict in a sentence, and the next command."""
    done = snellen(
        *("evaluate", "models/colours/2", "--against", "models/colours/1", "photos"),
        *("--changed", "changed.csv", "--json", "figures.json"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    assert lines[0] == "colours/2 (new) against colours/1 (serving) on 180 images of photos"
    assert lines[1] == "Classes are matched by label: 3 are in both."
    figures = json.loads(Path("figures.json").read_text())
    assert (figures["verdict"], figures["images"], len(figures["changed"])) == ("worse", 180, 20)
    assert f"{figures['agreement']:.2%}" in done.stdout
    with Path("changed.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == figures["changed_images"] > 20
    assert all(row["new_label"] != row["serving_label"] == "red" and row["new_present"] == "" for row in rows)
    largest = max(rows, key=lambda row: float(row["distance"]))
    assert largest["path"] == figures["changed"][0]["file"]
    table = [line.split() for line in lines if line.startswith("photos/")]
    assert (len(table), table[0][0]) == (20, largest["path"])
    assert "so colours/2 is worse on these images." in lines[-2]
    assert lines[-1] == "Keep colours/1 as default with: snellen models default colours 1"
    turned = in_process("evaluate", "models/colours/1", "--against", "models/colours/2", "--data", "photos")
    assert "so colours/1 is better on these images." in turned.stdout
    assert turned.stdout.endswith("Make colours/1 default with: snellen models default colours 1\n")


@pytest.mark.usefixtures("versions")
def test_a_folder_without_labels_is_enough_for_a_comparison() -> None:
    """There is no accuracy then, and a person has to look; a file that is no image is named."""
    Path("photos/red/notes.txt").write_text("no picture")
    done = in_process("evaluate", "models/colours/2", "--against", "models/colours/1", "photos/red")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("skipped photos/red/notes.txt: not a picture")
    assert "on 60 images without labels of photos/red\n" in done.stdout
    assert "accuracy" not in done.stdout
    assert "the images have no labels, so look at the changed ones" in done.stdout


@pytest.mark.usefixtures("versions")
def test_a_variant_of_both_bundles_can_be_compared() -> None:
    """Named in the output; each bundle needs it."""
    command = "evaluate", "models/colours/2", "--against", "models/colours/1", "photos", "--precision"
    done = in_process(*command, "int8")
    assert (done.returncode, "'int8' is no variant of colours/2: fp32" in done.stderr) == (2, True)
    for version in ("1", "2"):
        add_variant(Path("models/colours") / version, factor=3 * int(version))
    done = in_process(*command, "int8")
    assert (done.returncode, "3 are in both; both bundles in int8." in done.stdout) == (0, True), done.stdout


@pytest.mark.usefixtures("versions")
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--against", "models/colours/1"), "name the images, as in snellen evaluate models/colours/2 --data photos"),
        (("--against", "models/colours/1", "photos", "--data", "photos"), "the images are named twice, 'photos'"),
        (("--against", "models/colours/2", "photos"), "both bundles are colours/2, with equal files"),
        (("--against", "models/colours", "photos"), "is a model: name a version of it, as in models/colours/2"),
        (("--against", "models/colours/3", "photos"), "models/colours/3: manifest.json cannot be read"),
        (("--against", str(FASHION), "photos"), "have no label in common"),
        (("--against", "models/colours/1", "nowhere"), "there are no images at 'nowhere'"),
        (("--against", "models/colours/1", "photos", "--changed", "none/c.csv"), "--changed: there is no folder none"),
        (("--against", "models/colours/1", "photos", "--confusion", "c.csv"), "--confusion: not with --against"),
        (("--against", "models/colours/1", "photos", "--all-classes"), "--all-classes: not with --against"),
        (("--against", "models/colours/1", "photos", "--precision", "fp32,int8"), "name one variant, as in int8"),
        (("--against", "models/colours/1", "damaged", "--changed", "c.csv"), "none of the 1 images of damaged"),
        (("photos", "--changed", "c.csv"), "--changed: there are changed images only with --against BUNDLE"),
    ],
)
def test_a_refused_comparison_writes_nothing(arguments: tuple[str, ...], reason: str) -> None:
    """One sentence on what to change, and status 2."""
    Path("damaged/red").mkdir(parents=True)
    Path("damaged/red/a.png").write_text("no picture")
    before = sorted(Path().rglob("*"))
    done = in_process("evaluate", "models/colours/2", *arguments)
    assert (done.returncode, reason in done.stderr, done.stderr.count("\n")) == (2, True, 1), done.stderr
    assert sorted(Path().rglob("*")) == before


def test_the_commands_of_the_document_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command of docs/evaluating.md, in its order: `calibrate` makes the version that is compared."""
    text = (Path(__file__).parents[3] / "docs/evaluating.md").read_text()
    commands = re.findall(r"^snellen (.+)$", text, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["evaluate", "calibrate", "evaluate", "evaluate"]
    monkeypatch.chdir(tmp_path)
    write_bundle(Path("models"), "flowers")
    write_colours(Path("photos"), 30)
    for command in commands:
        done = in_process(*shlex.split(command))
        assert done.returncode == 0, f"{command}: {done.stderr}"
    assert Path("changed.csv").is_file()


def test_bf16_is_measured_where_it_can_be_computed(tmp_path: Path) -> None:
    """Elsewhere it is left out with the reason, and asking for it is refused with the same reason."""
    folder = write_bundle(tmp_path / "models")
    variants = json.loads((folder / MANIFEST).read_text())["variants"]
    change_manifest(folder, variants=[*variants, variants[0] | {"precision": "bf16"}])
    photos = write_colours(tmp_path / "photos", 2)
    done = in_process("evaluate", folder, "--data", photos)
    chosen = in_process("evaluate", folder, "--data", photos, "--precision", "bf16")
    assert done.returncode == 0, done.stderr
    header = next(line.split() for line in done.stdout.splitlines() if "fp32" in line)
    if reason := bf16_obstacle():
        assert (header, f"bf16 is left out: {reason}" in done.stderr) == (["fp32"], True)
        assert (chosen.returncode, chosen.stderr) == (2, f"snellen: --precision: {reason}\n")
    else:
        assert (header, chosen.returncode) == (["fp32", "bf16"], 0)
        other = write_bundle(tmp_path / "models", version=2)
        change_manifest(other, variants=[*variants, variants[0] | {"precision": "bf16"}])
        against = in_process("evaluate", folder, photos, "--against", other, "--precision", "bf16")
        assert against.returncode == 0, against.stderr
