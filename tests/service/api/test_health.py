"""What /readyz says when models are loaded and something else is missing."""

from pathlib import Path

from service.api.health import readiness
from service.build import local_loader
from service.repository.registry import Registry
from service.settings import Settings
from service.telemetry.health import Health
from service.telemetry.metrics import Metrics


async def test_a_front_without_engines_is_not_ready(repository: Path) -> None:
    """Until one is back."""
    settings, lifecycle = Settings(models=repository, default_model="plain"), Health()
    registry = Registry(repository, "plain", local_loader(settings, Metrics()))
    await registry.load()
    assert readiness(registry, lifecycle).ready
    lifecycle.not_ready_reasons.add("engines are being started")
    assert not readiness(registry, lifecycle).ready
    assert "engines" in readiness(registry, lifecycle).detail
    lifecycle.not_ready_reasons.clear()
    assert readiness(registry, lifecycle).ready
    await registry.close()
