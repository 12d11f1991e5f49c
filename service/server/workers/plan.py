"""How many processes of which kind, and what share of the machine and of the limits each has."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.server.workers.process import ManagedProcess
from service.settings import Settings, usable_cores

_DEVICES = Path("/proc/driver/nvidia/gpus")
_DEVICE_VARIABLE = "CUDA_VISIBLE_DEVICES"
_MOST_ALONE = 4
"""Frontends that are chosen where each runs the networks itself: each holds all models in memory."""
_SHARED = ("max_queue", "max_dense_queue", "max_inflight_bytes", "max_connections", "decode_threads", "concurrency")
"""Counts that frontends divide, so that the service keeps to the limit that it was given."""


@dataclass(frozen=True)
class ProcessPlan:
    """So many processes; no engines: each frontend runs the networks itself."""

    frontend_count: int
    engine_count: int

    @property
    def one_process(self) -> bool:
        return self.frontend_count == 1 and self.engine_count == 0

    def frontends(self, settings: Settings) -> list[ManagedProcess]:
        share = frontend_settings(settings, self.frontend_count, self.engine_count)
        return [
            ManagedProcess("frontend", number, "service.frontend", _start(share, number, self))
            for number in range(self.frontend_count)
        ]

    def engines(self, settings: Settings) -> list[ManagedProcess]:
        room = self.frontend_count * frontend_settings(settings, self.frontend_count, self.engine_count).max_queue
        settings = settings.model_copy(update={"max_queue": room})  # all frontends may choose the same engine
        return [
            ManagedProcess(
                "engine",
                number,
                "service.engine_process",
                _start(settings, number, self),
                {_DEVICE_VARIABLE: devices()[number]} if number < len(devices()) else {},
            )
            for number in range(self.engine_count)
        ]


def plan_processes(settings: Settings) -> ProcessPlan:
    """What the settings say, or what suits this machine where they leave the choice."""
    if settings.frontends:
        return ProcessPlan(settings.frontends, settings.engines)
    cores, engines = usable_cores(), settings.engines
    if not engines and _on_cuda(settings) and cores > 2:
        engines = len(devices())
    if not engines:
        return ProcessPlan(min(cores, _MOST_ALONE), 0)
    return ProcessPlan(max(1, cores - engines), engines)


def frontend_settings(settings: Settings, frontends: int, engines: int) -> Settings:
    """One frontend's settings. A request may hold as many images as before, so its queue has room for one of those."""
    shares: dict[str, Any] = {name: -(-getattr(settings, name) // frontends) for name in _SHARED}
    shares["max_queue"] = max(shares["max_queue"], min(settings.max_images, settings.max_queue))
    shares["max_inflight_bytes"] = max(
        shares["max_inflight_bytes"], min(settings.max_body_bytes, settings.max_inflight_bytes)
    )
    if not engines and not settings.concurrency and not _on_cuda(settings):
        shares["threads_per_batch"] = settings.threads_per_batch or 1  # frontends compete, so neighbours cannot help
        shares["concurrency"] = max(1, usable_cores() // shares["threads_per_batch"] // frontends)
    return settings.model_copy(update=shares)


def devices() -> list[str]:
    """Names of the CUDA devices of this machine, as their driver's variable wants them."""
    if os.environ.get(_DEVICE_VARIABLE):
        return [name.strip() for name in os.environ[_DEVICE_VARIABLE].split(",")]
    return [str(number) for number, _ in enumerate(_DEVICES.iterdir())] if _DEVICES.is_dir() else []


def _on_cuda(settings: Settings) -> bool:
    return bool(devices()) and (not settings.providers or settings.providers[0] in {"cuda", "tensorrt", "auto"})


def _start(settings: Settings, number: int, plan: ProcessPlan) -> dict[str, Any]:
    """What a process is told first."""
    return {
        "settings": settings.model_dump(mode="json"),
        "number": number,
        "frontends": plan.frontend_count,
        "engines": plan.engine_count,
    }
