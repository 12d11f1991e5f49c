"""Runs of the same settings."""

from pathlib import Path

from training.loop.config import CONFIG, TrainingConfig, write_config
from training.loop.former_run import same_run


def test_the_newest_run_of_the_same_settings_is_found(tmp_path: Path) -> None:
    """Whatever its version and device are; not one of other settings, nor an older one."""
    config = TrainingConfig(name="birds", data="photos")
    assert same_run(config, tmp_path) is None
    (tmp_path / "birds/11").mkdir(parents=True)
    write_config(config.model_copy(update={"version": 9, "device": "cpu", "threads": 2}), tmp_path / "birds/9")
    write_config(config.model_copy(update={"seed": 7}), tmp_path / "birds/10")
    assert same_run(config.model_copy(update={"seed": 7}), tmp_path) == tmp_path / "birds/10"
    assert same_run(config, tmp_path) is None


def test_a_run_that_cannot_be_read_stops_no_other(tmp_path: Path) -> None:
    """It may be of another version of the program."""
    (tmp_path / "birds/1").mkdir(parents=True)
    (tmp_path / "birds/1" / CONFIG).write_text('{"unknown": 1}')
    assert same_run(TrainingConfig(name="birds", data="photos"), tmp_path) is None
