"""Imports into the cache folder."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx.external_data_helper import set_external_data

from models.contract import read_bundle
from tests.support.onnx_files import DETECTOR, NCHW_LOGITS, write_labels, write_onnx
from training.errors import OnnxImportError
from training.importing.cached_import import CachedBundle, cached_import, model_name
from training.importing.guesses import Guess
from training.importing.import_onnx import OnnxOptions
from training.importing.normalization import Preset


def cached(folder: Path, preset: Preset = Preset.UNIT, name: str = "My Flowers (2).onnx") -> CachedBundle:
    options = OnnxOptions(labels=folder / "labels.txt", preset=preset)
    return cached_import(folder / name, folder / "cache", options, list[Guess]().append)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an ONNX file, its weights beside it, and labels."""
    write_labels(tmp_path)
    write_onnx(tmp_path / "My Flowers (2).onnx", NCHW_LOGITS, external=True)
    return tmp_path


def test_a_file_is_imported_once(folder: Path) -> None:
    """Its folder holds one bundle, which is taken the next time."""
    first, second = cached(folder), cached(folder)
    assert first.made is not None
    assert second == CachedBundle(first.repository, "my-flowers-2", None)
    assert first.made.folder == first.repository / "my-flowers-2" / "1"
    assert [path.name for path in first.repository.iterdir()] == ["my-flowers-2"]
    read_bundle(first.made.folder).check_files()


def test_whatever_changes_the_bundle_makes_another_one(folder: Path) -> None:
    """Name, options, labels, a configuration beside the file, its weights and its graph."""
    repositories = [cached(folder).repository, cached(folder, Preset.RAW).repository]
    write_onnx(folder / "other.onnx", NCHW_LOGITS, external=True)
    repositories.append(cached(folder, name="other.onnx").repository)
    (folder / "labels.txt").write_text("one\ntwo\nthree\n")
    repositories.append(cached(folder).repository)
    (folder / "config.json").write_text(json.dumps({"architectures": ["Some"]}))
    repositories.append(cached(folder).repository)
    weights = folder / "My Flowers (2).onnx.data"
    weights.write_bytes(weights.read_bytes()[::-1])
    repositories.append(cached(folder).repository)
    write_onnx(folder / "My Flowers (2).onnx", NCHW_LOGITS.replace("pytorch", "other"))
    repositories.append(cached(folder).repository)
    assert len(set(repositories)) == len(repositories)


def test_a_file_in_the_folder_above_matters_where_it_is_read(folder: Path) -> None:
    """That is, above a folder `onnx`."""
    inner = folder / "onnx"
    inner.mkdir()
    write_labels(inner)
    write_onnx(inner / "My Flowers (2).onnx", NCHW_LOGITS)
    before = cached(inner).repository.name
    (folder / "config.json").write_text(json.dumps({"architectures": ["Some"]}))
    assert cached(inner).repository.name != before
    inner.rename(folder / "other")
    assert cached(folder / "other").repository.name == before


def test_a_damaged_bundle_is_made_again(folder: Path) -> None:
    """Whichever of its files is missing or changed."""
    made = cached(folder)
    model = made.repository / "my-flowers-2" / "1" / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1])
    assert cached(folder).made is not None
    (model.parent / "manifest.json").unlink()
    assert cached(folder).made is not None
    assert cached(folder).made is None


def test_a_refusal_leaves_no_bundle(folder: Path) -> None:
    """The reason is that of an import."""
    with pytest.raises(OnnxImportError, match="is no file"):
        cached(folder, name="missing.onnx")
    (folder / "text.onnx").write_text("no graph")
    with pytest.raises(OnnxImportError, match="cannot be read as ONNX"):
        cached(folder, name="text.onnx")
    write_onnx(folder / "detector.onnx", DETECTOR)
    with pytest.raises(OnnxImportError, match="is no image classifier"):
        cached(folder, name="detector.onnx")
    assert not (folder / "cache").exists()


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("ResNet 50", "resnet-50"),
        ("__model__", "model"),
        ("a.b-c_d", "a.b-c_d"),
        ("模型", "model"),
        ("x" * 99, "x" * 64),
    ],
)
def test_a_model_has_the_name_of_its_file(stem: str, name: str) -> None:
    """In the letters that a name may have."""
    assert model_name(Path("folder", f"{stem}.onnx")) == name


def test_the_kind_of_a_labels_file_counts(folder: Path) -> None:
    """The same content is read in another way under another name."""
    found = list[tuple[str, ...]]()
    for name in ("labels.txt", "labels.csv"):
        (folder / name).write_text("red or pink,1\ngreen,0\nblue,2\n")
        made = cached_import(
            folder / "My Flowers (2).onnx", folder / "cache", OnnxOptions(labels=folder / name), list[Guess]().append
        )
        found.append(read_bundle(made.repository / "my-flowers-2" / "1").manifest.labels)
    assert found == [("red or pink,1", "green,0", "blue,2"), ("green", "red or pink", "blue")]


def test_weights_of_constants_count(folder: Path) -> None:
    """Nodes can have their numbers in other files too."""
    path = write_onnx(folder / "constant.onnx", NCHW_LOGITS)
    model = onnx.load(path)
    bias = next(each for each in model.graph.initializer if each.name == "b")
    node = helper.make_node("Constant", [], ["b"], value=bias)
    (folder / "bias.bin").write_bytes(bias.raw_data)
    set_external_data(node.attribute[0].t, "bias.bin")
    node.attribute[0].t.ClearField("raw_data")
    model.graph.initializer.remove(bias)
    model.graph.node.insert(0, node)
    path.write_bytes(model.SerializeToString())
    first = cached(folder, name="constant.onnx")
    (folder / "bias.bin").write_bytes(np.ones(3, np.float32).tobytes())
    assert cached(folder, name="constant.onnx").repository != first.repository


def test_a_bundle_that_another_process_made_meanwhile_is_taken(folder: Path) -> None:
    """It may be served already, so it is not replaced."""
    first = cached(folder)
    bundle = first.repository / "my-flowers-2" / "1"
    hidden = bundle.rename(folder / "hidden")

    def appear(_: Guess) -> None:
        if hidden.exists():
            hidden.rename(bundle)

    options = OnnxOptions(labels=folder / "labels.txt", preset=Preset.UNIT)
    again = cached_import(folder / "My Flowers (2).onnx", folder / "cache", options, appear)
    assert again == CachedBundle(first.repository, "my-flowers-2", None)
    read_bundle(bundle).check_files()
