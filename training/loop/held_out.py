"""Which images a training held out, for whoever judges its bundle later."""

from pathlib import Path

from models.contract import Manifest
from training.data.split import HoldOut
from training.loop.config import CONFIG, TrainingConfig, read_config


def read_run_config(run: Path | None) -> TrainingConfig | None:
    """Of the run in this folder; None where there is none. Raises ConfigurationError for one that cannot be read."""
    return read_config(run) if run is not None and (run / CONFIG).exists() else None


def hold_out_of_run(manifest: Manifest, config: TrainingConfig | None) -> HoldOut:
    """As the run was configured; without one, the usual shares with the seed that the manifest knows."""
    if config is None:
        return HoldOut(seed=manifest.provenance.seed or 0)
    return HoldOut(config.validation, config.calibration, config.seed)
