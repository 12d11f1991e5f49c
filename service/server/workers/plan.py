"""Plans the number of processes of each kind, and each one's share of the machine and of the limits."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from models.contract import readable_bundles, usable_cores
from service.server.workers.process import ManagedProcess
from service.settings import MIB, Settings

_DEVICES = Path("/proc/driver/nvidia/gpus")
_DEVICE_VARIABLE = "CUDA_VISIBLE_DEVICES"
_MOST_ALONE = 4
"""Limit of the default number of frontends that run the networks themselves; each holds all models in memory."""
LARGE_BYTES = 64 * MIB
"""Size of a bundle's largest file from which on one process runs all networks, instead of several with a copy each.

Such a network takes so long that HTTP and decoding need no second process (docs/decisions/memory-of-the-service.md).
"""
_SHARED = ("max_queue", "max_dense_queue", "max_inflight_bytes", "max_connections", "decode_threads", "concurrency")
"""Limits that are divided among the frontends, so that the service as a whole keeps to the setting."""


@dataclass(frozen=True)
class ProcessPlan:
    """The number of processes. Without engine processes, each frontend runs the networks itself."""

    frontend_count: int
    engine_count: int

    @property
    def one_process(self) -> bool:
        return self.frontend_count == 1 and self.engine_count == 0

    def of_networks(self, settings: Settings) -> tuple[Settings, int, int, Mapping[str, str]]:
        """Return settings, cores, number and environment of the processes that run the networks."""
        if not self.engine_count:
            share = frontend_settings(settings, self.frontend_count, 0)
            return share, usable_cores(), self.frontend_count, {}
        environment = {_DEVICE_VARIABLE: devices()[0]} if devices() else {}
        return settings, max(1, usable_cores() // self.engine_count), self.engine_count, environment

    def frontends(self, settings: Settings) -> list[ManagedProcess]:
        share = frontend_settings(settings, self.frontend_count, self.engine_count)
        return [
            ManagedProcess("frontend", number, "service.frontend", _config(share, number, self))
            for number in range(self.frontend_count)
        ]

    def engines(self, settings: Settings) -> list[ManagedProcess]:
        room = self.frontend_count * frontend_settings(settings, self.frontend_count, self.engine_count).max_queue
        settings = settings.model_copy(update={"max_queue": room})  # all frontends may choose the same engine process
        return [
            ManagedProcess(
                "engine",
                number,
                "service.engine_process",
                _config(settings, number, self),
                {_DEVICE_VARIABLE: devices()[number]} if number < len(devices()) else {},
            )
            for number in range(self.engine_count)
        ]


def plan_processes(settings: Settings) -> ProcessPlan:
    """Return the plan of the settings, or one that fits this machine where the settings leave the choice."""
    if settings.frontends:
        return ProcessPlan(settings.frontends, settings.engines)
    cores, engines = usable_cores(), settings.engines
    if not engines and _on_cuda(settings) and cores > 2:
        engines = len(devices())
    if not engines:
        return ProcessPlan(1 if _largest_file_bytes(settings.models) > LARGE_BYTES else min(cores, _MOST_ALONE), 0)
    return ProcessPlan(max(1, cores - engines), engines)


def _largest_file_bytes(repository: Path) -> int:
    """Return the size of the largest file of all bundles that can be read."""
    files = (file for bundle in readable_bundles(repository) for file in bundle.manifest.files)
    return max((file.bytes for file in files), default=0)


def frontend_settings(settings: Settings, frontends: int, engines: int) -> Settings:
    """Return the settings of one frontend.

    A request may still hold as many images as the settings say, so the queue of a frontend has room for one such
    request.
    """
    shares: dict[str, Any] = {name: -(-getattr(settings, name) // frontends) for name in _SHARED}
    shares["max_queue"] = max(shares["max_queue"], min(settings.max_images, settings.max_queue))
    shares["max_inflight_bytes"] = max(
        shares["max_inflight_bytes"], min(settings.max_body_bytes, settings.max_inflight_bytes)
    )
    if not engines and not settings.concurrency and not _on_cuda(settings):
        shares["threads_per_batch"] = settings.threads_per_batch or 1  # frontends already compete for cores
        shares["concurrency"] = max(1, usable_cores() // shares["threads_per_batch"] // frontends)
    return settings.model_copy(update=shares)


def devices() -> list[str]:
    """Return the names of this machine's CUDA devices, in the form of CUDA_VISIBLE_DEVICES.

    An empty variable hides all of them, and a negative number those that follow.
    """
    if (visible := os.environ.get(_DEVICE_VARIABLE)) is not None:
        names = (name.strip() for name in visible.split(","))
        return list(takewhile(lambda name: name and not name.startswith("-"), names))
    return [str(number) for number, _ in enumerate(_DEVICES.iterdir())] if _DEVICES.is_dir() else []


def _on_cuda(settings: Settings) -> bool:
    return bool(devices()) and (not settings.providers or settings.providers[0] in {"cuda", "tensorrt", "auto"})


def _config(settings: Settings, number: int, plan: ProcessPlan) -> dict[str, Any]:
    """Return the configuration of a process; see WorkerConfig."""
    return {
        "settings": settings.model_dump(mode="json"),
        "number": number,
        "frontends": plan.frontend_count,
        "engines": plan.engine_count,
    }
