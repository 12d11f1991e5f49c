"""Configuration files of Hugging Face and timm beside an ONNX file."""

import json
from pathlib import Path

import pytest
import timm
from timm.models._hub import save_config_for_hf

from models.contract import Preprocessing, Task
from training.errors import TrainingError
from training.importing.config_files import ConfigFiles, read_configs
from training.importing.network_input import Layout
from training.importing.normalization import ChannelOrder, Normalization

VIT = {
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_processor_type": "ViTImageProcessor",
    "image_std": [0.5, 0.5, 0.5],
    "resample": 2,
    "rescale_factor": 0.00392156862745098,
    "size": {"height": 224, "width": 192},
}
TIMM = {
    "architecture": "resnet18",
    "num_classes": 3,
    "pretrained_cfg": {
        "input_size": [3, 288, 256],
        "interpolation": "bicubic",
        "crop_pct": 0.95,
        "crop_mode": "center",
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    },
}
NAMES = {"label_names": ["n1", "n2"], "label_descriptions": {"n1": "crane", "n2": "crane"}}


def beside(folder: Path, **files: object) -> ConfigFiles:
    """What is read beside `model.onnx`; each argument is the content of NAME.json."""
    for name, content in files.items():
        (folder / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return read_configs(folder / "model.onnx")


def test_nothing_is_read_where_there_are_no_files(tmp_path: Path) -> None:
    """And from a file of another program neither."""
    assert beside(tmp_path) == ConfigFiles()
    assert beside(tmp_path, config={"window": "dark", "size": 3}) == ConfigFiles()


def test_an_export_of_hugging_face_names_labels_scaling_and_resize(tmp_path: Path) -> None:
    """The labels are in one file, the way to the pixels in the other."""
    found = beside(tmp_path, config={"id2label": {"1": "crane", "0": "crane"}}, preprocessor_config=VIT)
    assert found.classes is not None
    assert (found.classes.path, found.classes.labels) == (tmp_path / "config.json", ("crane", "crane"))
    assert found.classes.task is None
    path = tmp_path / "preprocessor_config.json"
    assert found.input == (path, Layout.NCHW, (224, 192))
    assert found.resize == (path, Preprocessing(resize="squash", interpolation="bilinear"))
    assert found.normalization is not None
    assert found.normalization.normalization.mean == pytest.approx([127.5] * 3)
    assert found.normalization.normalization.std == pytest.approx([127.5] * 3)


def test_a_problem_of_several_labels_is_the_task_multilabel(tmp_path: Path) -> None:
    """As transformers call it."""
    found = beside(tmp_path, config={"problem_type": "multi_label_classification"})
    assert found.classes is not None
    assert found.classes.task is Task.MULTILABEL


def test_the_files_may_lie_above_a_folder_of_onnx_files(tmp_path: Path) -> None:
    """As in the repositories of transformers.js; above any other folder they do not count."""
    (tmp_path / "onnx").mkdir()
    (tmp_path / "other").mkdir()
    beside(tmp_path, preprocessor_config=VIT)
    assert read_configs(tmp_path / "onnx" / "model.onnx").resize is not None
    assert read_configs(tmp_path / "other" / "model.onnx") == ConfigFiles()


CROP = {"do_center_crop": True, "crop_size": {"height": 224, "width": 224}, "resample": 3}


@pytest.mark.parametrize(
    ("content", "size", "expected"),
    [
        (VIT | {"size": 224}, (224, 224), Preprocessing(resize="squash", interpolation="bilinear")),
        (CROP | {"size": {"shortest_edge": 256}}, (224, 224), Preprocessing(crop_fraction=0.875)),
        (CROP | {"size": 256, "crop_size": 224}, (224, 224), Preprocessing(crop_fraction=0.875)),
        (CROP | {"size": {"height": 256, "width": 256}}, (224, 224), Preprocessing(crop_fraction=0.875)),
        (CROP | {"size": {"shortest_edge": 200}}, (224, 224), Preprocessing(crop_fraction=1)),
        (CROP | {"size": {"shortest_edge": 224}, "crop_pct": 0.9}, (224, 224), Preprocessing(crop_fraction=0.9)),
        (
            CROP | {"size": {"shortest_edge": 224}, "image_processor_type": "LevitImageProcessor"},
            (224, 224),
            Preprocessing(crop_fraction=0.875),
        ),
        (
            {"size": {"shortest_edge": 224}, "image_processor_type": "ConvNextImageProcessor", "resample": 3},
            (224, 224),
            Preprocessing(crop_fraction=0.875),
        ),
        (
            {"size": {"shortest_edge": 384}, "crop_pct": 0.875, "resample": 0},
            (384, 384),
            Preprocessing(resize="squash", interpolation="nearest"),
        ),
        ({"size": {"shortest_edge": 96}, "resample": 3}, (96, 96), Preprocessing()),
        ({"size": {"longest_edge": 96}}, None, None),
        (VIT | {"do_resize": False}, None, None),
    ],
    ids=[
        *("vit", "clip", "older", "deit", "small", "poolformer", "levit", "convnext", "large convnext"),
        *("shortest", "longest", "none"),
    ],
)
def test_each_processor_has_its_way_to_resize(
    tmp_path: Path, content: object, size: tuple[int, int] | None, expected: Preprocessing | None
) -> None:
    """A crop is a share of what the shorter edge is resized to."""
    found = beside(tmp_path, preprocessor_config=content)
    assert found.input is not None
    assert found.input.size == size
    if expected is None:
        assert found.resize is None
    else:
        assert found.resize is not None
        made = found.resize.preprocessing
        assert made.model_copy(update={"crop_fraction": pytest.approx(made.crop_fraction)}) == expected


@pytest.mark.parametrize(
    ("changes", "order", "mean", "std"),
    [
        ({}, ChannelOrder.RGB, 127.5, 127.5),
        ({"do_normalize": False}, ChannelOrder.RGB, 0, 255),
        ({"do_normalize": False, "do_rescale": False}, ChannelOrder.RGB, 0, 1),
        ({"do_rescale": False}, ChannelOrder.RGB, 127.5, 127.5),
        ({"do_rescale": False, "image_mean": [120], "image_std": 60}, ChannelOrder.RGB, 120, 60),
        ({"rescale_offset": True, "rescale_factor": 1 / 127.5, "do_normalize": False}, ChannelOrder.RGB, 127.5, 127.5),
        ({"image_processor_type": "EfficientNetImageProcessor", "include_top": True}, ChannelOrder.RGB, 127.5, 63.75),
        ({"do_flip_channel_order": True}, ChannelOrder.BGR, 127.5, 127.5),
    ],
)
def test_the_scaling_is_in_grey_levels(
    tmp_path: Path, changes: dict[str, object], order: ChannelOrder, mean: float, std: float
) -> None:
    """With what the processors do to the numbers."""
    found = beside(tmp_path, preprocessor_config=VIT | changes).normalization
    assert found is not None
    assert found.normalization.order is order
    assert found.normalization.mean == pytest.approx([mean] * len(found.normalization.mean))
    assert found.normalization.std == pytest.approx([std] * len(found.normalization.std))


def test_a_file_without_a_scaling_says_nothing_about_it(tmp_path: Path) -> None:
    """So that the graph and the options decide."""
    assert beside(tmp_path, preprocessor_config={"size": 224}).normalization is None
    assert beside(tmp_path, preprocessor_config={"do_normalize": True}).normalization is None


def test_timm_names_size_scaling_and_resize(tmp_path: Path) -> None:
    """Under `pretrained_cfg`, for pixels of 0 to 1."""
    found = beside(tmp_path, config=TIMM)
    path = tmp_path / "config.json"
    assert found.input == (path, Layout.NCHW, (288, 256))
    assert found.resize == (path, Preprocessing(crop_fraction=0.95, interpolation="bicubic"))
    assert found.normalization is not None
    assert found.normalization.normalization.mean == pytest.approx([123.675, 116.28, 103.53])
    assert found.normalization.normalization.std == pytest.approx([58.395, 57.12, 57.375])
    assert found.classes is None


def test_the_file_that_timm_writes_is_read(tmp_path: Path) -> None:
    """By its own function, for a network as it is published."""
    network = timm.create_model("resnet18.a1_in1k", pretrained=False, num_classes=2)
    save_config_for_hf(network, str(tmp_path / "config.json"), model_config=NAMES)
    found = read_configs(tmp_path / "model.onnx")
    assert found.classes is not None
    assert found.classes.labels == ("crane", "crane")
    assert found.input is not None
    assert found.input.size == (224, 224)
    assert found.resize is not None
    assert found.resize.preprocessing == Preprocessing(crop_fraction=0.95, interpolation="bicubic")
    assert found.normalization is not None
    assert found.normalization.normalization.std == pytest.approx([58.395, 57.12, 57.375])


@pytest.mark.parametrize("where", ["above", "inside"])
def test_timm_describes_its_labels(tmp_path: Path, where: str) -> None:
    """Beside `pretrained_cfg`, in older files inside; two may be equal."""
    inside = TIMM | {"pretrained_cfg": {**TIMM["pretrained_cfg"], **NAMES}}  # type: ignore[dict-item]
    found = beside(tmp_path, config=TIMM | NAMES if where == "above" else inside).classes
    assert found is not None
    assert found.labels == ("crane", "crane")
    plain = beside(tmp_path, config=TIMM | {"label_names": ["a", "b"], "label_descriptions": None}).classes
    assert plain is not None
    assert plain.labels == ("a", "b")


@pytest.mark.parametrize(
    ("mode", "crop", "expected"),
    [
        ("squash", 1.0, "squash"),
        ("center", 1.0, "crop"),
        ("border", 1.0, None),
        ("border", 0.9, None),
        ("squash", 0.9, None),
    ],
)
def test_a_resize_that_no_bundle_can_have_is_left_to_the_user(
    tmp_path: Path, mode: str, crop: float, expected: str | None
) -> None:
    """The defaults are printed then. A border of timm has the colour of the mean, which is not named here."""
    cfg = {"pretrained_cfg": {"crop_mode": mode, "crop_pct": crop}}
    found = beside(tmp_path, config=cfg).resize
    assert (None if found is None else found.preprocessing.resize) == expected


@pytest.mark.parametrize(
    ("mean", "colour"), [([0.485, 0.456, 0.406], (124, 116, 104)), ([0.5], (128, 128, 128)), ([127.0] * 3, None)]
)
def test_a_border_of_timm_that_cuts_nothing_is_padding(
    tmp_path: Path, mean: list[float], colour: tuple[int, ...] | None
) -> None:
    """In the colour of the mean, where that is one."""
    border = {"crop_mode": "border", "crop_pct": 1.0, "interpolation": "bicubic", "mean": mean, "std": [0.2] * 3}
    found = beside(tmp_path, config={"pretrained_cfg": border}).resize
    expected = (
        None
        if colour is None
        else Preprocessing.model_validate({"resize": "pad", "pad_colour": colour, "interpolation": "bicubic"})
    )
    assert (None if found is None else found.preprocessing) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config", "{", "config.json is no JSON"),
        ("config", "[]", "config.json holds no JSON object"),
        ("config", {"id2label": {"1": "a", "2": "b"}}, "none for class 0"),
        ("config", {"id2label": {"0": "a", "1": ""}}, "the label of class 1 is empty"),
        ("config", {"pretrained_cfg": {"input_size": [224, 224]}}, "input_size is .*, not three numbers"),
        ("config", {"pretrained_cfg": {"mean": [0.5]}}, "only one of mean and std"),
        ("preprocessor_config", VIT | {"image_mean": [0.5, 0.5]}, "image_mean is .*, not one number, or one for each"),
        ("preprocessor_config", VIT | {"image_std": [0.5, 0, 0.5]}, "image_std is .*, not greater than 0"),
        ("preprocessor_config", json.dumps(VIT).replace("0.5", "NaN"), "image_mean is .*, not one number"),
        ("preprocessor_config", VIT | {"resample": 9}, "resample is 9, not one of Pillow's numbers"),
        ("preprocessor_config", VIT | {"size": {"height": 224}}, "width is None, not a number of pixels"),
        ("preprocessor_config", VIT | {"size": 10**400}, "size is 1000.*, not a number of pixels from 1 to 4096"),
        ("preprocessor_config", VIT | {"rescale_factor": 0}, "rescale_factor is 0, not a number above 0"),
        ("preprocessor_config", VIT | {"do_resize": "yes"}, "do_resize is yes, not true or false"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, name: str, content: object, message: str) -> None:
    """In one sentence that names the file and the value."""
    with pytest.raises(TrainingError, match=message):
        beside(tmp_path, **{name: content})


def test_the_numbers_are_those_of_a_normalization(tmp_path: Path) -> None:
    """One number holds for all channels."""
    found = beside(tmp_path, preprocessor_config={"do_rescale": True}).normalization
    assert found is not None
    assert found.normalization == Normalization(ChannelOrder.RGB, (0.0,), (255.0,))
