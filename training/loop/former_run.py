"""Former runs of a model, so that the same command given twice does not silently train twice."""

from pathlib import Path

from training.errors import ConfigurationError
from training.loop.config import CONFIG, TrainingConfig, read_config

_WITHOUT_EFFECT = frozenset({"version", "device", "threads", "notes"})
"""Settings in which two runs that learn the same may differ."""


def same_run(config: TrainingConfig, runs: Path) -> Path | None:
    """Return the folder of the newest run of this model, if it has the same settings.

    runs: folder of all runs; those of a model lie in RUNS/NAME/VERSION. A run whose configuration cannot be read, as
    one of another version of this program, is none of the same settings.
    """
    folder = runs / config.name
    versions = [int(path.name) for path in _folders(folder) if path.name.isdecimal() and (path / CONFIG).exists()]
    if not versions:
        return None
    newest = folder / str(max(versions))
    try:
        same = _settings(read_config(newest)) == _settings(config)
    except ConfigurationError:
        return None
    return newest if same else None


def _folders(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _settings(config: TrainingConfig) -> dict[str, object]:
    return config.model_dump(exclude=set(_WITHOUT_EFFECT))
