"""Configuration files beside an ONNX file, as Hugging Face and timm export them: labels, size, scaling and resize."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

from models.contract import Preprocessing, Task
from training.data.option_values import LARGEST_SIDE
from training.errors import OnnxImportError
from training.importing.labels_file import check_texts, labels_in
from training.importing.network_input import DescribedInput, Layout
from training.importing.normalization import ChannelOrder, Channels, DescribedNormalization, Normalization
from training.importing.resize_choice import DescribedResize

_NAMES = ("config.json", "preprocessor_config.json")
_SUBFOLDER = "onnx"
"""Folder of an export that holds only the ONNX files, while the configuration lies beside it (transformers.js)."""
_RESAMPLING: tuple[Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"], ...] = (
    *("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"),
)
"""Filters of a resize in the order of Pillow's numbers for them."""
_CONVNEXT_CROP, _CONVNEXT_SQUASHED = 224 / 256, 384
"""ConvNeXt's crop fraction without `crop_pct`, and the side in pixels from which on it squashes instead."""
_BRIGHTEST = 255
_LEVIT_SCALE = 256 / 224
"""LeViT resizes to so many times its `shortest_edge`."""
_SCALING_KEYS = ("image_mean", "image_std", "do_normalize", "do_rescale", "rescale_factor")
_LARGEST = 1e9
"""Numbers beyond this one, and divisors below its inverse, have no meaning in these files."""
_CORRECT = "correct it, or move the file away"
_INSTEAD = "give what is right with --size, --mean and --std, --crop-fraction or --resize"
Sides = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True)
class DescribedClasses:
    """What the file `path` says about the classes. task: MULTILABEL or None."""

    path: Path
    labels: tuple[str, ...]
    task: Task | None


@dataclass(frozen=True)
class ConfigFiles:
    """What the files beside an ONNX file say about it; None where they say nothing."""

    classes: DescribedClasses | None = None
    input: DescribedInput | None = None
    normalization: DescribedNormalization | None = None
    resize: DescribedResize | None = None


def config_paths(path: Path) -> tuple[Path | None, ...]:
    """Return the paths of `config.json` and `preprocessor_config.json` that belong to the ONNX file `path`.

    They lie in its folder, or in the one above if that folder is called `onnx`. None stands for a file that is missing.
    """
    folders = (path.parent, path.parent / "..") if path.absolute().parent.name == _SUBFOLDER else (path.parent,)
    return tuple(next((each / name for each in folders if (each / name).is_file()), None) for name in _NAMES)


def read_configs(path: Path) -> ConfigFiles:
    """Return what the files beside the ONNX file `path` say, or in the folder above if it lies in a folder `onnx`.

    Raises TrainingError for a file that is damaged, or that holds values that it cannot mean.
    """
    config, preprocessor = (None if found is None else _read(found) for found in config_paths(path))
    timm = None if config is None else config.inner("pretrained_cfg")
    classes = None if config is None else _classes(config, timm)
    if preprocessor is not None:
        return _from_hugging_face(preprocessor, classes)
    if timm is not None:
        return _from_timm(timm, classes)
    return ConfigFiles(classes, None if classes is None else DescribedInput(classes.path, Layout.NCHW, None))


class _Section:
    """One JSON object of a file, whose values are checked when they are read. An absent value and null are equal.

    remedy: what to do about a wrong value.
    """

    def __init__(self, path: Path, content: dict[str, Any], remedy: str = _CORRECT) -> None:
        self.path, self._remedy = path, remedy
        self._content = {key: value for key, value in content.items() if value is not None}

    def __contains__(self, key: str) -> bool:
        return key in self._content

    def get(self, key: str) -> Any:
        return self._content.get(key)

    def inner(self, key: str) -> "_Section | None":
        value = self.get(key)
        return _Section(self.path, value) if isinstance(value, dict) else None

    def text(self, key: str) -> str:
        value = self.get(key)
        return value if isinstance(value, str) else ""

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._content.get(key, default)
        if not isinstance(value, bool):
            self.refuse(key, "true or false")
        return value

    def share(self, key: str) -> float | None:
        """Return a number above 0."""
        value = self.get(key)
        if value is None:
            return None
        if not _is_number(value) or value < 1 / _LARGEST:
            self.refuse(key, "a number above 0")
        return float(value)

    def channels(self, key: str) -> Channels | None:
        """Return one number, or one for each channel."""
        value = self.get(key)
        if value is None:
            return None
        values = value if isinstance(value, list) else [value]
        if len(values) not in (1, 3) or not all(map(_is_number, values)):
            self.refuse(key, "one number, or one for each of 3 channels")
        return tuple(float(each) for each in values)

    def side(self, key: str) -> int:
        value = self.get(key)
        if not _is_side(value):
            self.refuse(key, f"a number of pixels from 1 to {LARGEST_SIDE}")
        return int(value)

    def sides(self, key: str) -> Sides:
        """Return height and width, which an object names, or one number for both."""
        if (inner := self.inner(key)) is not None:
            return inner.side("height"), inner.side("width")
        return self.side(key), self.side(key)

    def refuse(self, key: str, wanted: str) -> NoReturn:
        value = str(self.get(key))[:80]
        raise OnnxImportError(f"{self.path}: {key} is {value}, not {wanted}: {self._remedy}")


def timm_settings(path: Path, settings: dict[str, Any]) -> ConfigFiles:
    """Return what settings under the names of timm's `pretrained_cfg` say. path: the checkpoint that they are of.

    Raises OnnxImportError for values that they cannot mean.
    """
    return _from_timm(_Section(path, settings, _INSTEAD), None)


def _read(path: Path) -> _Section:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise OnnxImportError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise OnnxImportError(f"{path} is no JSON ({error}): get it again, or move it away") from error
    if not isinstance(content, dict):
        raise OnnxImportError(f"{path} holds no JSON object: get it again, or move it away")
    return _Section(path, content)


def _classes(config: _Section, timm: _Section | None) -> DescribedClasses | None:
    """Return labels and task; None for a file that has neither, and may be of something else."""
    if "id2label" in config:
        labels = labels_in(config.get("id2label"), config.path)
    else:
        labels = next((found for part in (config, timm) if part and (found := _timm_labels(part))), [])
    labels = [label.strip() for label in labels]
    check_texts(labels, config.path)
    task = Task.MULTILABEL if config.text("problem_type") == "multi_label_classification" else None
    return DescribedClasses(config.path, tuple(labels), task) if labels or task else None


def _timm_labels(section: _Section) -> list[str]:
    """Return the descriptions of the classes where each has one, else their names; empty where there are none."""
    names, descriptions = section.get("label_names"), section.get("label_descriptions")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return []
    if isinstance(descriptions, dict) and all(isinstance(descriptions.get(name), str) for name in names):
        return [descriptions[name] for name in names]
    return names


def _from_timm(cfg: _Section, classes: DescribedClasses | None) -> ConfigFiles:
    """Read `pretrained_cfg`. Values are of pixels from 0 to 1."""
    size = cfg.get("input_size")
    if size is not None and not (isinstance(size, list) and len(size) == 3 and all(map(_is_side, size))):
        cfg.refuse("input_size", "three numbers: channels, height, width")
    numbers = _mean_and_std(cfg, "mean", "std")
    return _described(
        cfg.path,
        classes,
        None if size is None else (size[1], size[2]),
        _timm_resize(cfg, None if numbers is None else numbers[0]),
        None if numbers is None else Normalization(ChannelOrder.RGB, *(_times(each, 255) for each in numbers)),
    )


def _described(
    path: Path,
    classes: DescribedClasses | None,
    size: Sides | None,
    preprocessing: Preprocessing | None,
    normalization: Normalization | None,
) -> ConfigFiles:
    """Return what a file says. Both libraries have their networks in PyTorch, hence the layout."""
    return ConfigFiles(
        classes,
        DescribedInput(path, Layout.NCHW, size),
        None if normalization is None else DescribedNormalization(path, normalization),
        None if preprocessing is None else DescribedResize(path, preprocessing),
    )


def _timm_resize(cfg: _Section, mean: Channels | None) -> Preprocessing | None:
    """Return the resize; None for one that a bundle cannot describe. mean: of pixels from 0 to 1."""
    fraction, mode = cfg.share("crop_pct"), cfg.text("crop_mode") or "center"
    interpolation = next((name for name in _RESAMPLING if name == cfg.text("interpolation")), "bilinear")
    if mode == "squash" and fraction in (None, 1):
        return Preprocessing(resize="squash", interpolation=interpolation)
    if mode == "border" and fraction == 1:
        return _bordered(mean, interpolation)
    if mode != "center" or fraction is None:
        return None
    return Preprocessing(resize="crop", crop_fraction=min(fraction, 1.0), interpolation=interpolation)


def _bordered(mean: Channels | None, interpolation: str) -> Preprocessing | None:
    """Return timm's letterbox, whose border has the colour of the mean; None without one."""
    colour = [round(_BRIGHTEST * value) for value in mean or ()]
    if not colour or not 0 <= min(colour) <= max(colour) <= _BRIGHTEST:
        return None
    return Preprocessing.model_validate(
        {"resize": "pad", "pad_colour": (colour * 3)[:3], "interpolation": interpolation}
    )


def _from_hugging_face(section: _Section, classes: DescribedClasses | None) -> ConfigFiles:
    """Read the settings of an image processor of transformers."""
    processor = section.text("image_processor_type") or section.text("feature_extractor_type")
    size, preprocessing = _resize(section, processor)
    return _described(section.path, classes, size, preprocessing, _normalization(section, processor))


def _resize(section: _Section, processor: str) -> tuple[Sides | None, Preprocessing | None]:
    """Return the size of the input and the resize, in the way in which the processors of transformers use the keys."""
    crop = section.sides("crop_size") if section.flag("do_center_crop", default=False) else None
    if "size" not in section or not section.flag("do_resize", default=True):
        return crop, None
    shortest, sides = _size(section, one_is_shortest=crop is not None or "crop_pct" in section)
    if sides is not None:
        # A squash before a crop cannot be described; a crop of the same part is the nearest to it.
        fraction = None if crop is None else min(crop[0] / sides[0], crop[1] / sides[1])
        return crop or sides, _preprocessing(section, fraction)
    if shortest is None:
        return crop, None
    if crop is None:
        return (shortest, shortest), _preprocessing(section, _uncropped_fraction(section, processor, shortest))
    scale = _LEVIT_SCALE if processor.startswith("Levit") else 1 / (section.share("crop_pct") or 1)
    return crop, _preprocessing(section, min(crop) / (shortest * scale))


def _size(section: _Section, *, one_is_shortest: bool) -> tuple[int | None, Sides | None]:
    """Return the shortest edge, or height and width; neither where the size is given in another way.

    one_is_shortest: whether a single number is the shortest edge, as in older files, else both sides.
    """
    size = section.inner("size")
    if size is None and one_is_shortest:
        return section.side("size"), None
    if size is None or "height" in size or "width" in size:
        return None, section.sides("size")
    return (size.side("shortest_edge") if "shortest_edge" in size else None), None


def _uncropped_fraction(section: _Section, processor: str, shortest: int) -> float | None:
    """Return the crop fraction of a processor without `do_center_crop`; None for a squash."""
    fraction = section.share("crop_pct")
    if fraction is None and not processor.startswith("ConvNext"):
        return 1.0
    return None if shortest >= _CONVNEXT_SQUASHED else fraction or _CONVNEXT_CROP


def _preprocessing(section: _Section, crop_fraction: float | None) -> Preprocessing:
    """Return a crop, or a squash without a fraction."""
    number = section.get("resample")
    if number is not None and (type(number) is not int or not 0 <= number < len(_RESAMPLING)):
        section.refuse("resample", f"one of Pillow's numbers for filters, 0 to {len(_RESAMPLING) - 1}")
    interpolation = "bilinear" if number is None else _RESAMPLING[number]
    if crop_fraction is None:
        return Preprocessing(resize="squash", interpolation=interpolation)
    return Preprocessing(resize="crop", crop_fraction=min(crop_fraction, 1.0), interpolation=interpolation)


def _normalization(section: _Section, processor: str) -> Normalization | None:
    if not any(key in section for key in _SCALING_KEYS):
        return None
    numbers = _mean_and_std(section, "image_mean", "image_std")
    normalized = section.flag("do_normalize", default=numbers is not None)
    if normalized and numbers is None:
        return None
    mean, std = numbers if normalized and numbers else ((0.0,), (1.0,))
    if processor.startswith("EfficientNet") and section.flag("include_top", default=False):
        std = tuple(each**2 for each in std)  # it divides twice
    factor, offset = section.share("rescale_factor") or 1 / 255, 0.0
    if section.flag("do_rescale", default=True):
        offset = 1.0 if section.flag("rescale_offset", default=False) else 0.0
    elif not normalized or max(*map(abs, mean), *std) > 1:
        factor = 1.0  # numbers of grey levels; those below 1 are of pictures that were scaled before
    mean, std = tuple((each + offset) / factor for each in mean), _times(std, 1 / factor)
    if section.flag("do_flip_channel_order", default=False):
        return Normalization(ChannelOrder.BGR, mean[::-1], std[::-1])
    return Normalization(ChannelOrder.RGB, mean, std)


def _mean_and_std(section: _Section, mean_key: str, std_key: str) -> tuple[Channels, Channels] | None:
    mean, std = section.channels(mean_key), section.channels(std_key)
    if mean is None and std is None:
        return None
    if mean is None or std is None:
        raise OnnxImportError(
            f"{section.path} has only one of {mean_key} and {std_key}: add the other, or move the file away"
        )
    if min(std) < 1 / _LARGEST:
        section.refuse(std_key, "greater than 0")
    return mean, std


def _times(values: Sequence[float], factor: float) -> Channels:
    return tuple(value * factor for value in values)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -_LARGEST < value < _LARGEST


def _is_side(value: object) -> bool:
    return type(value) is int and 1 <= value <= LARGEST_SIDE
