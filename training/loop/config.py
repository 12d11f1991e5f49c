"""The configuration of a run: defaults, then a TOML file, then flags. It is stored with the run."""

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    model_validator,
)

from models.contract import Colour, Input, ModelName, Resize
from training.data.model_name import NAME_RULE, name_of_data
from training.data.option_values import BorderColour, InputSize, parse_colour, parse_size
from training.data.picture_fit import PictureFit
from training.data.split import HoldOut
from training.errors import ConfigurationError
from training.loop.data_record import read_record
from training.loop.device import DeviceName
from training.loop.recipe import Augmentation, Recipe

CONFIG = "config.json"
PACKAGED = "efficientnet-lite0"
"""Network whose ImageNet weights are part of a Python package; weights of timm are downloaded."""
Tree = dict[str, Any]
_Size = Annotated[
    InputSize,
    PlainValidator(parse_size),
    PlainSerializer(lambda size: size.width if size.width == size.height else str(size), return_type=int | str),
]
"""A size, kept as it is written: 224 or "320x96"."""
_Colour = Annotated[BorderColour, BeforeValidator(parse_colour)]
_WANTED = "Input should be"
"""Start of the messages of pydantic about a wrong value."""


class TrainingConfig(BaseModel):
    """All settings that determine the result of a run."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: ModelName
    version: int = Field(1, ge=1)
    data: str = Field(description="folder, table or name of the labelled images")
    labels: tuple[str, ...] = ()
    network: str = "small-resnet"
    start: str = Field(
        "scratch", description="scratch, imagenet (a body with published weights) or the folder of a run"
    )
    size: _Size | None = Field(
        None, description="of the network's input: side, or width x height such as 320x96; default: that of the data"
    )
    colour: Colour | None = Field(None, description="of the network's input; default: that of the data")
    resize: Resize | None = Field(
        None, description="how a picture becomes an input; default: crop, and squash for small grey images"
    )
    pad_colour: _Colour | None = Field(None, description="around padded pictures, RGB; default: black")
    bits: int | None = Field(
        None, ge=8, le=16, description="bits that grey files of 16 bits a pixel use; default: measured"
    )
    validation: float = Field(HoldOut.validation, gt=0, lt=1)
    calibration: float = Field(HoldOut.calibration, gt=0, lt=1)
    seed: int = Field(0, ge=0)
    device: DeviceName = "auto"
    threads: int = Field(0, ge=0)
    mirror: bool = Field(False, description="answer the mean of the image and its mirror image, for twice the work")
    unfamiliar: tuple[str, ...] = Field(
        ("noise",), description="sets that are none of the classes, for the energy threshold"
    )
    notes: tuple[str, ...] = ()
    recipe: Recipe = Recipe()

    @property
    def target(self) -> Input | None:
        """The network's input if the configuration determines it; a colour alone does not."""
        if self.size is None:
            return None
        return Input(colour=self.colour or Colour.RGB, height=self.size.height, width=self.size.width)

    @property
    def fit(self) -> PictureFit:
        """What the configuration says about how pictures become inputs."""
        return PictureFit(
            resize=self.resize,
            pad_colour=self.pad_colour,
            random_crops=self.recipe.augmentation.crop_scale is not None,
            fixed_size=self.network == PACKAGED and self.start != "scratch",
        )

    @model_validator(mode="before")
    @classmethod
    def _start_from_imagenet(cls, tree: Any) -> Any:
        """Choose the packaged network and freeze its body, unless the settings say otherwise."""
        if not isinstance(tree, dict) or tree.get("start") != "imagenet":
            return tree
        recipe = tree.get("recipe", {})
        if isinstance(recipe, dict):
            recipe = {"freeze": recipe.get("epochs", Recipe.model_fields["epochs"].default)} | recipe
        return {"network": PACKAGED} | tree | {"recipe": recipe}

    @model_validator(mode="after")
    def _freezes_what_has_learnt(self) -> "TrainingConfig":
        if self.start == "scratch" and self.recipe.freeze:
            raise ValueError("freeze keeps a body as it is, which random weights should not be: give --from, too")
        return self

    @model_validator(mode="after")
    def _pads_what_has_a_colour(self) -> "TrainingConfig":
        if self.pad_colour is not None and self.resize != "pad":
            raise ValueError("pad_colour is the colour around padded pictures: give --resize pad, too")
        return self


def configure(
    file: Path | None, flags: Mapping[str, Any], settings: list[str], defaults: Mapping[str, Any] | None = None
) -> TrainingConfig:
    """Return the configuration from defaults, a TOML file, flags (dotted names, None where not given) and `name=value`
    settings.

    Later ones win. Without a name the model has that of its data. A start from another run has its network, and its
    input and `resize` unless others are given. Raises ConfigurationError with one sentence.
    """
    tree = {**(defaults or {}), **(_read(file) if file is not None else {})}
    given = [(name, value) for name, value in flags.items() if value is not None]
    for name, value in [*given, *(_parse(setting) for setting in settings)]:
        _put(tree, name.split("."), value)
    if "name" not in tree and "data" in tree:
        tree["name"] = _name_of_data(str(tree["data"]))
    return _validated(_with_settings_of_start(tree))


def _with_settings_of_start(tree: Tree) -> Tree:
    """Return the settings with those of the run that this one starts from, if any, where they are not given.

    Raises ConfigurationError for another network than that run has.
    """
    folder = Path(str(tree.get("start", "scratch")))
    if str(folder) in ("scratch", "imagenet") or not (folder / CONFIG).exists():
        return tree
    former, record = read_config(folder), read_record(folder)
    if tree.get("network", former.network) != former.network:
        raise ConfigurationError(f"the network of {folder} is {former.network}: leave out --network")
    settings: Tree = {"network": former.network, "size": former.size, "colour": former.colour}
    if record is not None and record.input is not None:
        taken = record.input
        settings |= {"size": InputSize(taken.width, taken.height), "colour": taken.colour}
    if "resize" not in tree:
        settings |= {"resize": former.resize, "pad_colour": former.pad_colour}
    return {name: value for name, value in settings.items() if value is not None} | tree


def _name_of_data(source: str) -> str:
    name = name_of_data(source)
    if not name:
        raise ConfigurationError(f"the model cannot be named after the data {source!r}: give it a name with --name")
    return name


def read_config(folder: Path) -> TrainingConfig:
    """Return the configuration that a run was started with. Raises ConfigurationError."""
    try:
        return TrainingConfig.model_validate_json((folder / CONFIG).read_bytes())
    except OSError as error:
        raise ConfigurationError(f"there is no run to resume in {folder}: {error.strerror}") from error
    except ValidationError as error:
        raise ConfigurationError(f"{folder / CONFIG}: {_first(error)}") from error


def write_config(config: TrainingConfig, folder: Path, *, new: bool = False) -> None:
    """Write the configuration into the folder of a run. Raises FileExistsError if it is to be new and there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / CONFIG).open("x" if new else "w", encoding="utf-8") as file:
        file.write(config.model_dump_json(indent=2) + "\n")


def _read(file: Path) -> Tree:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not TOML: {error}") from error


def _parse(setting: str) -> tuple[str, Any]:
    """Parse `lr=0.1` with a TOML value; other text is a string. Names of fields of the recipe are in the recipe."""
    name, equals, text = setting.partition("=")
    if not equals:
        raise ConfigurationError(f"--set takes name=value, such as lr=0.1, not {setting!r}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    return (f"recipe.{name}" if name.split(".")[0] in Recipe.model_fields else name), value


def _put(tree: Tree, path: list[str], value: Any) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
        if not isinstance(tree, dict):
            raise ConfigurationError(f"{'.'.join(path)}: {name} is a value, not a group of settings")
    tree[path[-1]] = value


def _validated(tree: Tree) -> TrainingConfig:
    try:
        return TrainingConfig.model_validate(tree)
    except ValidationError as error:
        raise ConfigurationError(_first(error)) from error


def _first(error: ValidationError) -> str:
    """Return name and message of the first of pydantic's errors."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "the configuration"
    if first["type"] == "extra_forbidden":
        return f"there is no setting {place}" + _meant(str(first["loc"][-1]))
    if first["type"] == "string_pattern_mismatch" and place == "name":
        return f"{first['input']!r} is no name of a model: {NAME_RULE}"
    if first["msg"].startswith(_WANTED):
        given = f", not {first['input']!r}" if isinstance(first["input"], str | int | float) else ""
        return f"{place} has to be{first['msg'].removeprefix(_WANTED)}{given}"
    return f"{place}: {first['msg'].removeprefix('Value error, ')}"


def _meant(name: str) -> str:
    """Return which setting is meant by a misspelt one, under the name that `--set` takes."""
    known = {name: name for name in (*TrainingConfig.model_fields, *Recipe.model_fields)}
    known |= {name: f"augmentation.{name}" for name in Augmentation.model_fields}
    near = get_close_matches(name, known, n=1)
    return f"; did you mean {known[near[0]]}?" if near else "; docs/training.md lists them"
