"""Writing bundles, golden images and cards."""

import json
from pathlib import Path

import pytest
from PIL import Image

from models.contract import (
    MANIFEST,
    BundleError,
    find_bundles,
    read_bundle,
)
from tests.training.conftest import Exported, striped, untrained_module
from tests.training.importing.conftest import Fill, make
from training.errors import BundleExistsError, ParityError, RepositoryError
from training.importing.bundle_writer import MODEL, list_files, next_version
from training.importing.golden_images import PROBABILITIES_FILE, check_golden, encode, write_golden


def _raiser(error: BaseException) -> Fill:
    def step(folder: Path) -> None:
        raise error

    return step


def test_a_finished_bundle_is_read_by_the_contract(tmp_path: Path, fill: Fill) -> None:
    """Schema, hashes and golden images hold, through a session that training never saw."""
    make(tmp_path, fill)
    bundle = read_bundle(tmp_path / "stripes" / "1")
    bundle.check_files()
    assert check_golden(bundle) < 1e-4
    assert [path.name for path in tmp_path.iterdir()] == ["stripes"]


def test_nothing_is_seen_of_a_bundle_that_is_not_finished(tmp_path: Path, fill: Fill) -> None:
    """A server that looks into the repository meanwhile finds nothing."""
    seen: list[int] = []
    make(tmp_path, fill, lambda _: seen.append(len(find_bundles(tmp_path))))
    assert seen == [0]
    assert find_bundles(tmp_path) == [tmp_path / "stripes" / "1"]


@pytest.mark.parametrize("error", [ParityError("differs"), KeyboardInterrupt()])
def test_an_interrupted_bundle_leaves_nothing_behind(tmp_path: Path, fill: Fill, error: BaseException) -> None:
    """A failed check or Ctrl-C: no half bundle, no temporary folder."""
    with pytest.raises(type(error)):
        make(tmp_path, fill, _raiser(error))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("repository", ["models", "models/new"])
def test_a_repository_that_cannot_be_written_to_is_named(tmp_path: Path, fill: Fill, repository: str) -> None:
    """Here a file has the name of the folder."""
    (tmp_path / "models").write_text("")
    with pytest.raises(RepositoryError, match=f"no bundle can be written to the folder '.*/{repository}': "):
        make(tmp_path / repository, fill)
    assert [path.name for path in tmp_path.iterdir()] == ["models"]


def test_a_failed_bundle_takes_a_new_repository_with_it(tmp_path: Path, fill: Fill) -> None:
    """Folders that were there stay, and so do those that another process has filled meanwhile."""
    (tmp_path / "there").mkdir()
    with pytest.raises(ParityError):
        make(tmp_path / "there" / "new" / "models", _raiser(ParityError("differs")))
    assert list((tmp_path / "there").iterdir()) == []
    models = tmp_path / "there" / "models"
    with pytest.raises(ParityError):
        make(models, lambda _: (models / "other").mkdir(), _raiser(ParityError("differs")))
    assert list(models.iterdir()) == [models / "other"]


def test_golden_rows_that_do_not_fit_stop_the_bundle(tmp_path: Path, fill: Fill, exported: Exported) -> None:
    """The bundle is read back before it is published; another network's rows are noticed."""
    other = Exported(untrained_module(seed=1), exported.path, exported.target, exported.preprocessing)
    with pytest.raises(ParityError, match="is off by"):
        make(tmp_path, fill, lambda folder: _replace_rows(folder, other))
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_without_its_file_stops_the_bundle(tmp_path: Path, fill: Fill) -> None:
    """A listed file that is gone is found before anybody else does."""
    with pytest.raises(BundleError, match="is missing"):
        make(tmp_path, fill, lambda folder: (folder / MODEL).unlink())


def test_the_next_version_is_above_all_that_are_there(tmp_path: Path) -> None:
    """In any of the folders; names that are no versions do not count."""
    for name in ("a/2", "a/10", "a/v99", "b/11"):
        (tmp_path / name).mkdir(parents=True)
    assert next_version(tmp_path / "none") == 1
    assert next_version(tmp_path / "a") == 11
    assert next_version(tmp_path / "a", tmp_path / "b", tmp_path / "none") == 12


def test_an_existing_version_is_refused_and_stays(tmp_path: Path, fill: Fill) -> None:
    """Without --overwrite the run ends before it starts."""
    make(tmp_path, fill)
    with pytest.raises(BundleExistsError, match="--overwrite"):
        make(tmp_path, _raiser(AssertionError("the folder must not be filled")))
    read_bundle(tmp_path / "stripes" / "1").check_files()


def test_overwriting_replaces_only_when_the_new_one_is_whole(tmp_path: Path, fill: Fill) -> None:
    """The old bundle survives a failed attempt, and goes with a successful one."""
    make(tmp_path, fill)
    marker = tmp_path / "stripes" / "1" / "marker"
    marker.touch()
    with pytest.raises(ParityError):
        make(tmp_path, _raiser(ParityError("differs")), overwrite=True)
    assert marker.exists()
    make(tmp_path, fill, overwrite=True)
    assert not marker.exists()


def test_the_card_shows_the_manifests_numbers(tmp_path: Path, fill: Fill) -> None:
    """Accuracy, confusion, notes, licence and commit of the manifest are in the text."""
    make(tmp_path, fill)
    card = (tmp_path / "stripes" / "1" / "MODEL_CARD.md").read_text()
    commit = json.loads((tmp_path / "stripes" / "1" / MANIFEST).read_text())["provenance"]["commit"]
    for part in (
        "| top1 (95 % interval) | 0.7500 (0.6452 to 0.8319) |",
        "| 0 top | 20 | 0 | 0 | 0 | 1.000 |",
        "- Only stripes.",
        "Licence: CC0",
        commit,
    ):
        assert part in card


def _replace_rows(folder: Path, exported: Exported) -> None:
    """Rows of another network, hashed as if they belonged there."""
    images = [encode(Image.fromarray(image), "0.png", "PNG") for image in striped(1, seed=0)[0]]
    aside = folder.parent / "aside"
    aside.mkdir()
    write_golden(aside, images, exported.network.classify, exported.target, exported.preprocessing)
    rows = json.loads((folder / PROBABILITIES_FILE).read_text()) | json.loads((aside / PROBABILITIES_FILE).read_text())
    (folder / PROBABILITIES_FILE).write_text(json.dumps(rows))
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"] = [file.model_dump() for file in list_files(folder) if file.path != MANIFEST]
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_a_bundle_that_another_process_made_meanwhile_stays(tmp_path: Path, fill: Fill) -> None:
    """Of two processes that make the same version, the first one wins."""
    with pytest.raises(BundleExistsError, match="exists: leave out --version to write 2"):
        make(tmp_path, fill, lambda _: (tmp_path / "stripes" / "1").mkdir(parents=True))
    assert list((tmp_path / "stripes" / "1").iterdir()) == []
