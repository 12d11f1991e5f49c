"""The configuration of a run."""

from pathlib import Path

import pytest

from models.contract import Colour, Input
from training.errors import ConfigurationError
from training.loop.config import configure, read_config, write_config
from training.loop.data_record import DataRecord, write_record

GIVEN = {"name": "clothes", "data": "fashion-mnist"}


def test_flags_win_over_the_file_and_settings_over_flags(tmp_path: Path) -> None:
    """What is nearer to the person wins; what nobody says has its default."""
    file = tmp_path / "run.toml"
    file.write_text('seed = 7\n[recipe]\nepochs = 3\nlr = 0.5\n[recipe.augmentation]\npolicy = "trivial"\n')
    config = configure(file, GIVEN | {"recipe.epochs": 4, "recipe.lr": None}, ["augmentation.mixup=0.2", "lr=0.1"])
    assert (config.seed, config.recipe.epochs, config.recipe.lr) == (7, 4, 0.1)
    assert (config.recipe.augmentation.policy, config.recipe.augmentation.mixup) == ("trivial", 0.2)
    assert config.recipe.batch_size is None


def test_a_configuration_is_kept_whole(tmp_path: Path) -> None:
    """What was written is what is read."""
    config = configure(None, GIVEN, ["optimizer=adamw", "notes=['a note']"])
    write_config(config, tmp_path / "run")
    assert read_config(tmp_path / "run") == config


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["epochs"], "name=value"),
        (["epochs=0"], "recipe.epochs has to be greater than or equal to 1, not 0"),
        (["learning=1"], "there is no setting learning; docs/training.md lists them"),
        (["epoch=1"], "there is no setting epoch; did you mean epochs?"),
        (["augmentation.mix_up=1"], "there is no setting recipe.augmentation.mix_up; did you mean augmentation.mixup?"),
        (["flip=false"], "there is no setting flip; did you mean augmentation.flip?"),
        (["optimizer=lion"], "recipe.optimizer has to be 'muon'"),
        (["recipe.epochs.more=1"], "epochs is a value"),
        (["epochs=5", "freeze=6"], "freeze 6 is more than the 5 epochs"),
        (["freeze=1"], "give --from"),
        (["lr=inf"], "recipe.lr"),
        (["size=320x"], "size: a size is a number of pixels such as 224, or width x height such as 320x96"),
        (["resize=stretch"], "resize has to be 'crop', 'squash' or 'pad', not 'stretch'"),
        (["resize=pad", "pad_colour=red"], "pad_colour: a colour is red, green and blue such as 114,114,114"),
        (["pad_colour=[1, 2, 3]"], "give --resize pad, too"),
        (["name=My Birds"], "'My Birds' is no name of a model: use at most 64 lower-case letters, digits"),
    ],
)
def test_a_wrong_setting_is_said_in_one_sentence(settings: list[str], says: str) -> None:
    """The message names the setting."""
    values = ["recipe.epochs=3", *settings] if "recipe.epochs.more=1" in settings else settings
    with pytest.raises(ConfigurationError, match=".") as refused:
        configure(None, GIVEN, values)
    assert says in str(refused.value)


def test_a_model_without_a_name_has_that_of_its_data(tmp_path: Path) -> None:
    """Of the data that were chosen in the end; data without a fit name need one."""
    assert configure(None, {}, [], {"data": "fashion-mnist"}).name == "fashion-mnist"
    assert configure(None, {"data": str(tmp_path / "My Birds")}, [], {"data": "fashion-mnist"}).name == "my-birds"
    assert configure(None, {"name": "wings"}, ["data=birds"], {"data": "fashion-mnist"}).name == "wings"
    with pytest.raises(ConfigurationError, match="give it a name with --name"):
        configure(None, {"data": "/"}, [])


def test_from_imagenet_has_a_network_of_its_own_that_stays_frozen() -> None:
    """Unless somebody names another, or a number of frozen epochs."""
    plain = configure(None, GIVEN | {"start": "imagenet", "recipe.epochs": 7}, [])
    assert (plain.network, plain.recipe.freeze) == ("efficientnet-lite0", 7)
    chosen = configure(None, GIVEN | {"start": "imagenet", "network": "resnet-18", "recipe.freeze": 2}, [])
    assert (chosen.network, chosen.recipe.freeze) == ("resnet-18", 2)


def test_a_size_is_kept_as_it_is_written(tmp_path: Path) -> None:
    """One number for a square, as before there were others; width x height for the rest."""
    wide = configure(None, GIVEN, ["size=320x96", "resize=pad", "pad_colour=[1, 2, 3]"])
    assert wide.target is not None
    assert wide.target.shape == (96, 320, 3)
    assert (wide.fit.resize, wide.fit.pad_colour, wide.fit.random_crops) == ("pad", (1, 2, 3), False)
    square = configure(None, GIVEN | {"size": 64}, ["augmentation.crop_scale=0.5"])
    assert square.fit.random_crops
    for config, text in ((wide, '"size": "320x96"'), (square, '"size": 64')):
        write_config(config, tmp_path / str(config.size))
        assert text in (tmp_path / str(config.size) / "config.json").read_text()
        assert read_config(tmp_path / str(config.size)) == config


def test_a_file_that_is_no_toml_is_said(tmp_path: Path) -> None:
    """With its name."""
    file = tmp_path / "run.toml"
    file.write_text("epochs: 3")
    with pytest.raises(ConfigurationError, match=r"run\.toml is not TOML"):
        configure(file, GIVEN, [])


def test_a_run_that_is_not_there_cannot_be_resumed(tmp_path: Path) -> None:
    """The message names the folder."""
    with pytest.raises(ConfigurationError, match="no run to resume in"):
        read_config(tmp_path / "nowhere")


def test_a_start_from_a_run_has_its_network_and_its_input(tmp_path: Path) -> None:
    """Where no others are given; the input is the one that the data of that run decided."""
    taken = Input(colour=Colour.L, width=84, height=28)
    run, start = tmp_path / "run", f"start={str(tmp_path / 'run')!r}"
    write_config(configure(None, GIVEN, ["network=two-conv", "resize=pad", "pad_colour=7"]), run)
    assert configure(None, GIVEN, [start]).target is None
    write_record(DataRecord(labels=("a", "b"), parts={}, input=taken), run)
    chosen = configure(None, GIVEN, [start])
    assert (chosen.network, chosen.target, chosen.resize, chosen.pad_colour) == ("two-conv", taken, "pad", (7, 7, 7))
    other = configure(None, GIVEN, [start, "size=56", "resize=crop"])
    assert (other.target, other.resize) == (Input(colour=Colour.L, width=56, height=56), "crop")
    with pytest.raises(ConfigurationError, match="is two-conv: leave out --network"):
        configure(None, GIVEN, [start, "network=lenet-5"])
