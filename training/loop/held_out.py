"""The images that a training held out, for commands that evaluate its bundle later."""

from pathlib import Path

from models.contract import Manifest
from training.data.split import HoldOut
from training.loop.config import CONFIG, TrainingConfig, read_config


def read_run_config(run: Path | None) -> TrainingConfig | None:
    """Return the configuration of the run in this folder, or None without one. Raises ConfigurationError."""
    return read_config(run) if run is not None and (run / CONFIG).exists() else None


def hold_out_of_run(manifest: Manifest, config: TrainingConfig | None) -> HoldOut:
    """Return the fractions and the seed of the run; without a run, the default fractions and the manifest's seed."""
    if config is None:
        return HoldOut(seed=manifest.provenance.seed or 0)
    return HoldOut(config.validation, config.calibration, config.seed)
