"""Images to evaluate and calibrate a bundle on."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from models.contract import Colour, Input, Manifest, Preprocessing, Task, read_bundle
from tests.training.conftest import idx
from tests.training.data.conftest import write_class
from training.data.held_out_images import (
    HeldOutImages,
    calibration_parts,
    evaluation_part,
    open_held_out,
    open_with_or_without_labels,
)
from training.data.sources.open_image import UnreadableImage
from training.errors import DatasetError

SHIPPED = Path(__file__).parents[3] / "models" / "fashion-mnist" / "3"
SMALL = Input(colour=Colour.RGB, height=7, width=7)


def manifest(*labels: str, task: Task = Task.SINGLE) -> Manifest:
    shipped = read_bundle(SHIPPED).manifest
    return shipped.model_copy(update={"labels": labels or ("bee", "cat", "ant", "dog"), "task": task})


def test_class_folders_are_matched_with_labels(photos: Path) -> None:
    """In the order of the labels; not every class has to be there, and the pixels are read one by one."""
    images = open_held_out(str(photos), manifest())["test"]
    assert (images.title, images.kept_title) == (f"images of {photos}", "images of photos")
    assert images.of_classes(4).tolist() == [20, 20, 20, 0]
    assert Path(images.names[0]) == photos / "ant" / "000.png"
    assert images.truth[0] == 2
    assert images.read(0, SMALL, Preprocessing()).shape == (7, 7, 3)


def test_what_systems_leave_behind_is_counted(photos: Path) -> None:
    """As in training."""
    (photos / "ant" / "._000.png").touch()
    images = open_held_out(str(photos), manifest())["test"]
    assert len(images) == 60
    assert images.notes == ("passed over what systems and file managers leave behind: 1 ._*",)


def test_a_folder_may_have_the_class_id_as_its_name(photos: Path) -> None:
    """For labels that cannot be the name of a folder, or that two classes share."""
    (photos / "ant").rename(photos / "0")
    images = open_held_out(str(photos), manifest("T-shirt/top", "cat", "bee"))["test"]
    assert images.of_classes(3).tolist() == [20, 20, 20]
    with pytest.raises(DatasetError, match=r"'bee' \(nearest label: 'bees', class_id 2\) is no class of the bundle"):
        open_held_out(str(photos), manifest("T-shirt/top", "cat", "bees"))


def test_parts_are_known_by_their_folders(photos: Path, tmp_path: Path) -> None:
    """Evaluated on test images; fitted on those of validation, measured on those of test; never on training images."""
    whole = tmp_path / "whole"
    for part in ("train", "val", "test"):
        shutil.copytree(photos, whole / part)
    shutil.rmtree(whole / "val" / "cat")
    parts = open_held_out(str(whole), manifest())
    fitted, measured = calibration_parts(parts)
    assert (fitted.title, len(fitted)) == (f"validation images of {whole}", 40)
    assert measured is evaluation_part(parts) is parts["test"]
    shutil.rmtree(whole / "test")
    parts = open_held_out(str(whole), manifest())
    assert evaluation_part(parts).title == f"validation images of {whole}"
    assert calibration_parts(parts)[1] is None
    shutil.copytree(photos, whole / "valid")
    with pytest.raises(DatasetError, match="val and valid are the same part"):
        open_held_out(str(whole), manifest())


def test_parts_may_be_below_the_classes_and_have_any_usual_name(photos: Path, tmp_path: Path) -> None:
    """Training images are left out of each class."""
    for name in ("ant", "bee"):
        for part in ("Training", "Testing"):
            shutil.copytree(photos / name, tmp_path / "divided" / name / part)
    parts = open_held_out(str(tmp_path / "divided"), manifest())
    assert {part: len(images) for part, images in parts.items()} == {"test": 40}
    assert {Path(name).parent.name for name in parts["test"].names} == {"Testing"}
    assert parts["test"].title == f"test images of {tmp_path / 'divided'}"


def test_labels_of_a_bundle_are_classes_even_if_they_are_called_as_parts(photos: Path, tmp_path: Path) -> None:
    """And a class_id may be a folder of deeper folders that all classes have."""
    for name, part in (("dev", "ant"), ("test", "bee")):
        shutil.copytree(photos / part, tmp_path / "roles" / name)
    assert open_held_out(str(tmp_path / "roles"), manifest("dev", "test", "ops"))["test"].of_classes(3).tolist() == [
        20,
        20,
        0,
    ]
    for place in ("0/2023", "0/2024", "1/2023", "1/2024"):
        shutil.copytree(photos / "ant", tmp_path / "ids" / place)
    assert open_held_out(str(tmp_path / "ids"), manifest())["test"].of_classes(4).tolist() == [40, 40, 0, 0]


def test_how_a_table_was_read_is_told(tmp_path: Path) -> None:
    """As in training; other programs write other tables."""
    (tmp_path / "t.tsv").write_text("File\tclass\na.png\tcat \n")
    images = open_held_out(str(tmp_path / "t.tsv"), manifest())["test"]
    assert images.truth.tolist() == [1]
    assert images.notes == (
        f"{tmp_path / 't.tsv'} has other names of columns: 'File' was read as path, 'class' was read as label",
        f"{tmp_path / 't.tsv'}: blanks were removed around 1 label",
    )


def test_training_images_alone_are_refused(photos: Path, tmp_path: Path) -> None:
    """Unless their folder itself is given."""
    shutil.copytree(photos, tmp_path / "whole" / "train")
    with pytest.raises(DatasetError, match="has training images only"):
        open_held_out(str(tmp_path / "whole"), manifest())
    assert len(open_held_out(str(tmp_path / "whole" / "train"), manifest())["test"]) == 60


def test_a_table_says_the_labels_and_the_parts(tmp_path: Path) -> None:
    """Rows of training images are left out."""
    write_class(tmp_path / "files", 3)
    (tmp_path / "t.csv").write_text(
        "path,label,split\nfiles/000.png,cat,test\nfiles/001.png,0,val\nfiles/002.png,?,train\n"
    )
    parts = open_held_out(str(tmp_path / "t.csv"), manifest())
    assert {part: images.truth.tolist() for part, images in parts.items()} == {"test": [1], "validation": [0]}
    (tmp_path / "t.csv").write_text("path,label\nfiles/000.png,cat\n")
    assert open_held_out(str(tmp_path / "t.csv"), manifest())["test"].title == f"images of {tmp_path / 't.csv'}"
    (tmp_path / "t.csv").write_text("path,label,split\nfiles/000.png,cat,train\n")
    with pytest.raises(DatasetError, match="has training images only"):
        open_held_out(str(tmp_path / "t.csv"), manifest())


def test_an_image_may_have_several_labels(tmp_path: Path) -> None:
    """In the task multilabel, separated by |; an empty text is none of the classes. Folders cannot say it."""
    (tmp_path / "t.csv").write_text("path,label\na.png,cat | 0\nb.png,\nc.png,dog|ant|bee|cat\n")
    images = open_held_out(str(tmp_path / "t.csv"), manifest(task=Task.MULTILABEL))["test"]
    assert images.truth.astype(int).tolist() == [[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]]
    assert images.of_classes(4).tolist() == [2, 2, 1, 1]
    with pytest.raises(DatasetError, match=r"which folders cannot say: give a table .* as in a.jpg,bee\|cat"):
        open_held_out(str(tmp_path), manifest(task=Task.MULTILABEL))


def test_idx_files_are_read_without_their_training_images(tmp_path: Path) -> None:
    """Their labels are class_ids."""
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(np.full((5, 9, 9), 7, np.uint8)))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(np.array([0, 1, 2, 3, 3], np.uint8)))
    images = open_held_out(str(tmp_path), manifest())["test"]
    assert images.truth.tolist() == [0, 1, 2, 3, 3]
    assert (images.read(4, SMALL, Preprocessing()) == 7).all()


def test_images_of_a_folder_may_have_no_labels(photos: Path, tmp_path: Path) -> None:
    """Where it holds none but images, where none of its folders is a class, and where an image has several labels."""
    flat = open_with_or_without_labels(str(photos / "ant"), manifest())
    assert (isinstance(flat, HeldOutImages), len(flat)) == (False, 20)
    assert flat.title == f"images without labels of {photos / 'ant'}"
    assert flat.read(0, SMALL, Preprocessing()).shape == (7, 7, 3)
    others = open_with_or_without_labels(str(photos), manifest("red", "green"))
    assert len(others) == 60
    assert others.title == f"images without labels of {photos}, in which no folder has the name of a class"
    several = open_with_or_without_labels(str(photos), manifest(task=Task.MULTILABEL))
    assert (len(several), several.title) == (60, f"images without labels of {photos}")
    (tmp_path / "none").mkdir()
    with pytest.raises(DatasetError, match="none is empty: put images into it"):
        open_with_or_without_labels(str(tmp_path / "none"), manifest())


def test_labels_are_read_where_there_are_some(photos: Path, tmp_path: Path) -> None:
    """From folders of which one at least is a class, of parts, and from tables; the others are refused as ever."""
    assert isinstance(open_with_or_without_labels(str(photos), manifest()), HeldOutImages)
    with pytest.raises(DatasetError, match=r"'ant' \(nearest label: 'cat', class_id 0\), 'bee' are no classes"):
        open_with_or_without_labels(str(photos), manifest("cat", "dog"))
    with pytest.raises(DatasetError, match="'cat' is the label of 2 classes"):
        open_with_or_without_labels(str(photos), manifest("cat", "cat", "ant", "bee"))
    shutil.copytree(photos, tmp_path / "parts" / "test")
    shutil.copytree(photos, tmp_path / "parts" / "train")
    parts = open_with_or_without_labels(str(tmp_path / "parts"), manifest())
    assert parts.title == f"test images of {tmp_path / 'parts'}"
    (tmp_path / "t.csv").write_text("path,label\na.png,cat\n")
    assert isinstance(open_with_or_without_labels(str(tmp_path / "t.csv"), manifest()), HeldOutImages)
    with pytest.raises(DatasetError, match="there are no images at 'nowhere'"):
        open_with_or_without_labels("nowhere", manifest())


@pytest.mark.parametrize("source", ["", "nowhere", "cifar10"])
def test_a_source_that_is_none_is_refused(source: str) -> None:
    """With what can be given instead."""
    with pytest.raises(DatasetError, match="give a folder with a folder of images for each class"):
        open_held_out(source, manifest())


def test_empty_folders_are_refused(tmp_path: Path) -> None:
    """A folder without class folders, and a class folder without files."""
    with pytest.raises(DatasetError, match="has no class folders"):
        open_held_out(str(tmp_path), manifest())
    (tmp_path / "cat").mkdir()
    with pytest.raises(DatasetError, match="the class folder .*cat is empty"):
        open_held_out(str(tmp_path), manifest())


def test_a_damaged_file_is_found_when_it_is_read(photos: Path) -> None:
    """Listing opens no file."""
    (photos / "ant" / "000.png").write_bytes(b"no picture")
    images = open_held_out(str(photos), manifest())["test"]
    with pytest.raises(UnreadableImage, match="not a picture"):
        images.read(0, SMALL, Preprocessing())
