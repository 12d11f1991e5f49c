"""`snellen calibrate`, as a command in the environment of the service, which has no PyTorch."""

import json
import shutil
from pathlib import Path

import httpx2 as httpx
import numpy as np
import onnxruntime as ort
import pytest
from PIL import Image

from models.contract import Task, preprocess, read_bundle
from tests.snellen.command import in_process, snellen
from tests.support.bundles import LABELS, write_bundle
from tests.support.class_folders import FASHION, write_clothes, write_colours, write_multilabel_table
from tests.support.onnx_files import NCHW_LOGITS, OPSET_11, write_labels, write_onnx
from tests.support.server import running


def test_a_trained_bundle_becomes_a_new_version(tmp_path: Path) -> None:
    """With its dense class map; `verify` passes it, and the variants that are left out are named."""
    folder = shutil.copytree(FASHION, tmp_path / "models" / "fashion-mnist" / "3")
    done = snellen("calibrate", folder, "--data", write_clothes(tmp_path / "photos", 25))
    assert done.returncode == 0, done.stderr
    made = folder.parent / "4"
    lines = done.stdout.splitlines()
    temperature = read_bundle(made).manifest.calibration.temperature
    assert lines[0] == "images      250 images of photos, which must not have been trained on"
    assert lines[1] == f"temperature {temperature:.4f}, was 0.7908"
    assert [line.split()[0] for line in lines[2:4]] == ["sets", "energy"]
    assert lines[4] == "baseline    10 shares of classes and 12 of the confidence, to notice a drift"
    assert lines[-2:] == [f"wrote {made}", f"It has fp32 only: for int8, fp16, bf16 run snellen optimize {made}"]
    verified = snellen("verify", folder, made)
    assert verified.returncode == 0, verified.stderr


@pytest.mark.parametrize("text", [NCHW_LOGITS, OPSET_11], ids=["logits", "probabilities"])
def test_an_imported_file_is_calibrated_and_served(tmp_path: Path, text: str) -> None:
    """The service answers with prediction sets from then on."""
    models, photos = tmp_path / "models", write_colours(tmp_path / "photos", 70)
    file, labels = write_onnx(tmp_path / "model.onnx", text), write_labels(tmp_path)
    options = ("--name", "flowers", "--labels", labels, "--preset", "unit", "--models", models)
    imported = in_process("import", file, *options)
    assert imported.returncode == 0, imported.stderr
    done = in_process("calibrate", models / "flowers" / "1", "--data", photos)
    assert done.returncode == 0, done.stderr
    assert ("no threshold: the energy is the same for all images" in done.stdout) == (text == OPSET_11)
    assert done.stdout.endswith(f"wrote {models / 'flowers' / '2'}\n")
    assert in_process("verify", models / "flowers" / "2").returncode == 0
    with running(models) as server:
        body = (photos / "red" / "000.png").read_bytes()
        answer = httpx.post(f"{server.url}/v1/classify?coverage=0.9", content=body).json()
    assert (answer["version"], answer["results"][0]["prediction_set"]["coverage"]) == ("2", 0.9)


def test_thresholds_of_several_labels_are_used_by_evaluate(tmp_path: Path) -> None:
    """The mean F1 of the calibrated version is larger."""
    folder = write_bundle(tmp_path / "models", task=Task.MULTILABEL)
    table = write_multilabel_table(tmp_path / "photos", 220, level=110)
    done = in_process("calibrate", folder, "--data", table, "--version", "5")
    assert done.returncode == 0, done.stderr
    assert "thresholds" in done.stdout
    assert "temperature" not in done.stdout
    scores = []
    for version in ("1", "5"):
        figures = tmp_path / f"{version}.json"
        assert in_process("evaluate", folder.parent / version, "--data", table, "--json", figures).returncode == 0
        scores.append(json.loads(figures.read_text())["variants"][0]["scores"]["macro_f1"])
    assert scores[1] > scores[0] + 0.1


def test_few_images_are_called_weak_and_skipped_ones_are_named(tmp_path: Path) -> None:
    """Both on the terminal too."""
    photos = write_colours(tmp_path / "photos", 5)
    (photos / "red" / "000.png").write_text("no picture")
    done = snellen("calibrate", write_bundle(tmp_path / "models"), "--data", photos)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(f"skipped {photos / 'red' / '000.png'}: not a picture")
    assert "weak        fitted on 14 images; at least 200 are needed" in done.stdout
    assert "not 0.99: it needs 99 held-out images, there were 14" in done.stdout
    assert "no threshold: it needs 19 held-out images." in done.stdout


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--data", "nowhere"), "there are no images at 'nowhere'"),
        (("--data", "photos", "--version", "1"), "1 exists, and calibrating changes no version"),
        (("--data", "only"), "only has training images only"),
        (("--data", "damaged"), "none of the 1 images of damaged can be read"),
    ],
    ids=["no data", "version", "training images", "nothing readable"],
)
def test_a_refusal_is_one_sentence_and_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], reason: str
) -> None:
    """It says what to change, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    write_bundle(Path("models"))
    write_colours(Path("photos"), 1)
    shutil.copytree("photos", "only/train")
    Path("damaged/red").mkdir(parents=True)
    Path("damaged/red/a.png").write_text("no picture")
    before = sorted(Path().rglob("*"))
    done = in_process("calibrate", "models/colours/1", *options)
    assert (done.returncode, reason in done.stderr, done.stderr.count("\n")) == (2, True, 1), done.stderr
    assert sorted(Path().rglob("*")) == before


def test_a_damaged_bundle_is_refused(tmp_path: Path) -> None:
    """It would become a new version otherwise, with hashes that hold."""
    folder = write_bundle(tmp_path / "models")
    (folder / "golden" / "red.png").write_bytes(b"something else")
    done = in_process("calibrate", folder, "--data", write_colours(tmp_path / "photos", 1))
    assert (done.returncode, "golden/red.png differs from the size" in done.stderr) == (2, True), done.stderr
    assert [path.name for path in folder.parent.iterdir()] == ["1"]


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    """With its path."""
    done = in_process("calibrate", tmp_path / "none", "--data", tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"snellen: {tmp_path / 'none'}: manifest.json cannot be read: No such file or directory\n"


def write_odd_pictures(root: Path) -> list[Path]:
    """Write pictures of many shapes and kinds into a folder of each class: grey, transparent, turned, very thin."""
    random, exif = np.random.default_rng(3), Image.Exif()
    exif[0x0112] = 6
    for label in LABELS:
        (root / label).mkdir(parents=True)
        for width, height in ((60, 20), (1, 200), (3000, 20), (17, 40)):
            level = random.integers(0, 256, 3)
            image = Image.fromarray(np.broadcast_to(level, (height, width, 3)).astype(np.uint8))
            stem = root / label / f"{width}x{height}"
            image.save(f"{stem}.png")
            image.convert("L").save(f"{stem}-grey.webp", lossless=True)
            image.save(f"{stem}-turned.jpg", exif=exif)
            image.putalpha(128)
            image.save(f"{stem}-transparent.png")
    return sorted(root.rglob("*.*"))


def test_an_imported_bundle_with_a_letterbox_is_judged_and_calibrated_by_its_pixels(tmp_path: Path) -> None:
    """Of pictures of any shape; the new version has the letterbox of the old one."""
    files = write_odd_pictures(tmp_path / "photos")
    file, labels = write_onnx(tmp_path / "model.onnx", NCHW_LOGITS), write_labels(tmp_path)
    options = ("--name", "flowers", "--labels", labels, "--preset", "unit", "--models", tmp_path / "models")
    made = in_process("import", file, *options, "--resize", "pad", "--pad-colour", "200,10,90")
    assert made.returncode == 0, made.stderr
    folder = tmp_path / "models" / "flowers"
    done = in_process("calibrate", folder / "1", "--data", tmp_path / "photos")
    assert done.returncode == 0, done.stderr
    before, after = (read_bundle(folder / version).manifest for version in ("1", "2"))
    assert (before.preprocessing.resize, before.preprocessing.pad_colour) == ("pad", (200, 10, 90))
    assert after.preprocessing == before.preprocessing
    pixels = np.stack([preprocess(Image.open(path), before.input, before.preprocessing) for path in files])
    truth = np.array([LABELS.index(path.parent.name) for path in files])
    for version in ("1", "2"):
        session = ort.InferenceSession(folder / version / "model.onnx", providers=["CPUExecutionProvider"])
        (probabilities,) = session.run(["probabilities"], {"image": pixels})
        figures = tmp_path / f"{version}.json"
        judged = in_process("evaluate", folder / version, "--data", tmp_path / "photos", "--json", figures)
        assert judged.returncode == 0, judged.stderr
        scores = json.loads(figures.read_text())["variants"][0]["scores"]
        assert scores["top1"] == pytest.approx((probabilities.argmax(axis=1) == truth).mean())
        assert scores["nll"] == pytest.approx(-np.log(probabilities[np.arange(len(truth)), truth]).mean(), rel=1e-3)
