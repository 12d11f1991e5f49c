"""What becomes of the folders of a repository, and what clients are told of it."""

import json
import os
from pathlib import Path

import pytest

from models.contract import MANIFEST, sha256_of
from service.batching.dense_queue import DenseLimits
from service.engine.profile import LoadedEngine
from service.engine.tuning.autotune import autotune
from service.engine.tuning.candidates import TuningOptions
from service.errors import ModelNotFound, NotReady, VersionNotFound
from service.repository.loader import Loader, ModelLimits
from service.repository.registry import Registry
from service.repository.scan import RepositoryError
from service.telemetry.metrics import Metrics
from tests.support.bundles import change_manifest, write_bundle
from tests.support.clients import ready_client
from tests.support.deployments import LoadableRegistry, loadable


def read(repository: Path, default_model: str | None = None) -> LoadableRegistry:
    metrics = Metrics()
    loader = Loader(
        lambda bundle, _profile: LoadedEngine(*autotune(bundle, TuningOptions(budget_s=0))),
        ModelLimits(4, DenseLimits(4, 4, 4)),
        metrics,
    )
    return loadable(repository, default_model, loader, metrics)


def names(registry: Registry) -> list[str]:
    return [version.name for version in registry]


def test_no_version_is_there_twice(tmp_path: Path) -> None:
    """Links to a version or a model under another name are left out, with the reason."""
    write_bundle(tmp_path)
    (tmp_path / "colours/3").symlink_to("1")
    (tmp_path / "shades").symlink_to("colours")
    registry = read(tmp_path)
    assert names(registry) == ["colours/1"]
    assert registry.unreadable.keys() == {"colours/3", "shades/1", "shades/3"}
    assert "is of colours/1, not of the folder" in registry.unreadable["colours/3"]


def test_a_repository_may_be_reached_through_a_link(tmp_path: Path) -> None:
    """Its own name does not matter."""
    write_bundle(tmp_path / "store")
    (tmp_path / "models").symlink_to("store")
    assert names(read(tmp_path / "models")) == ["colours/1"]


async def test_the_default_version_is_the_newest_that_is_ready(tmp_path: Path) -> None:
    """Before any is, the newest stands for all; names that are not there say which are."""
    for version in (1, 2, 10):
        write_bundle(tmp_path, version=version)
    (tmp_path / "colours/10/golden/red.png").unlink()
    registry = read(tmp_path)
    assert names(registry) == ["colours/1", "colours/2", "colours/10"]
    assert registry.find().name == "colours/10"
    await registry.load()
    assert registry.find().name == "colours/2"
    with pytest.raises(ModelNotFound, match="the models are colours"):
        registry.find("shades")
    with pytest.raises(VersionNotFound, match="it has 1, 2, 10"):
        registry.find("colours", "3")
    await registry.close()


def test_a_version_whose_folder_has_changed_is_not_ready_in_a_process_that_starts(tmp_path: Path) -> None:
    """The other processes serve it on; this one answers probes and may get requests before it is refused."""
    folders = [write_bundle(tmp_path, version=version) for version in (1, 2)]
    metrics = Metrics()
    first = read(tmp_path)
    for changed, version in ((folders[1], "2"), (folders[0], "1")):
        change_manifest(changed, description="another one")
        registry = Registry(tmp_path, first._loader, first.lifecycle.state, metrics.models, retire_limit_s=10)
        for asked in (None, version):
            with pytest.raises(NotReady, match="its folder does not hold the manifest that was verified"):
                registry.find("colours", asked)


def test_the_default_model_has_to_be_there(tmp_path: Path) -> None:
    """The only one, the usual one, or the one that was named."""
    write_bundle(tmp_path)
    assert read(tmp_path).default_model == "colours"
    write_bundle(tmp_path, "imagenet")
    assert read(tmp_path).default_model == "imagenet"
    with pytest.raises(RepositoryError, match="set --default-model to one of colours, imagenet"):
        read(tmp_path, "shades")


def test_no_model_answers_for_a_default_that_is_not_named(tmp_path: Path) -> None:
    """Two models, neither of them the usual one: the client has to name one."""
    write_bundle(tmp_path)
    write_bundle(tmp_path, "shades")
    registry = read(tmp_path)
    assert registry.default_model is None
    with pytest.raises(ModelNotFound, match="one of colours, shades, or start the service with --default-model"):
        registry.find()
    assert registry.find("shades").name == "shades/1"


@pytest.mark.parametrize("damage", ["manifest", "folder name"])
def test_no_model_answers_for_another_that_is_broken(tmp_path: Path, damage: str) -> None:
    """A broken default model is said; the only other model does not take its place."""
    write_bundle(tmp_path)
    folder = write_bundle(tmp_path, "imagenet")
    if damage == "manifest":
        change_manifest(folder, labels=[])
    else:
        folder.rename(folder.with_name("v1"))
    registry = read(tmp_path)
    assert registry.default_model == "imagenet"
    with pytest.raises(NotReady, match="no version of imagenet can be read: imagenet/v?1"):
        registry.find()


def test_a_repository_without_a_bundle_is_refused(tmp_path: Path) -> None:
    """With the reason of each that is none."""
    change_manifest(write_bundle(tmp_path), labels=[])
    with pytest.raises(RepositoryError, match="colours/1: manifest.json: labels"):
        read(tmp_path)


async def test_a_version_that_fails_leaves_the_others_alone(tmp_path: Path) -> None:
    """It says why; the older one serves."""
    write_bundle(tmp_path)
    (write_bundle(tmp_path, version=2) / "golden/red.png").unlink()
    registry = read(tmp_path)
    await registry.load()
    assert registry.find().name == "colours/1"
    with pytest.raises(NotReady, match="refused at load: golden/red.png is missing"):
        registry.find("colours", "2").ready()
    await registry.close()


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("model.onnx", b"junk", "onnxruntime cannot load model.onnx (InvalidProtobuf); the log has the cause"),
        ("golden/red.png", b"junk", "golden image golden/red.png cannot be decoded as JPEG or PNG"),
        ("golden/probabilities.json", b"[]", "golden/probabilities.json: the document: Input should be"),
    ],
)
def test_clients_see_the_reason_but_no_path_of_the_server(
    tmp_path: Path, file: str, content: bytes, reason: str
) -> None:
    """In the list, in the description, in the answer and in readiness."""
    folder = write_bundle(tmp_path)
    (folder / file).write_bytes(content)
    listed = [entry for entry in json.loads((folder / MANIFEST).read_text())["files"] if entry["path"] != file]
    changed = {"path": file, "sha256": sha256_of(folder / file), "bytes": len(content)}
    change_manifest(folder, files=[*listed, changed])
    with ready_client(tmp_path) as client:
        answers = [client.get(path) for path in ("/v1/models", "/v1/models/colours", "/readyz")]
        answers.append(client.post("/v1/classify", content=b"anything"))
    for answer in answers:
        assert reason in answer.text
        assert str(tmp_path) not in answer.text


def test_a_folder_whose_name_is_no_utf8_is_listed(tmp_path: Path) -> None:
    """Escaped, since JSON could not hold it."""
    write_bundle(tmp_path)
    (tmp_path / "colours").rename(tmp_path / os.fsdecode(b"caf\xe9"))
    write_bundle(tmp_path)
    with ready_client(tmp_path) as client:
        assert client.get("/v1/models").json()["unreadable"].keys() == {r"caf\xe9/1"}


def test_coverages_are_those_of_the_manifest(tmp_path: Path) -> None:
    """As numbers; a manifest with anything else is not served at all."""
    write_bundle(tmp_path)
    folder = write_bundle(tmp_path, version=2)
    calibration = json.loads((folder / MANIFEST).read_text())["calibration"]
    calibration["prediction_sets"]["thresholds"] = {"90%": 0.9}
    change_manifest(folder, calibration=calibration)
    with ready_client(tmp_path) as client:
        assert client.get("/v1/models/colours").json()["coverages"] == [0.5, 0.9]
        assert "thresholds.90%" in client.get("/v1/models").json()["unreadable"]["colours/2"]
