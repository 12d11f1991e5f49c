"""Device, number format and process group of a run; with several GPUs, a run has one process for each."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from training.errors import ConfigurationError
from training.loop.recipe import NumberFormat

T = TypeVar("T")
DeviceName = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True)
class Device:
    """One process of a run.

    rank: 0 for the main process, which evaluates, reports and writes; world: number of processes that share each batch.
    """

    torch_device: torch.device
    rank: int = 0
    world: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the process that evaluates, reports and writes."""
        return self.rank == 0

    def autocast(self, precision: NumberFormat) -> AbstractContextManager[None]:
        """Return a context that computes in bfloat16 where the device supports it, unless the recipe forbids it."""
        enabled = precision == "bfloat16" or (precision == "auto" and _has_bfloat16(self.torch_device))
        return torch.autocast(self.torch_device.type, torch.bfloat16, enabled=enabled)

    def wrap(self, network: nn.Module, *, freezes: bool) -> nn.Module:
        """Return the module to call in training; with several processes it averages the gradients over all of them."""
        return DistributedDataParallel(network, find_unused_parameters=freezes) if self.world > 1 else network

    def any_process(self, value: bool) -> bool:
        """Return whether the value is true for any process. All processes have to call this."""
        if self.world == 1:
            return value
        votes = torch.tensor([float(value)], device=self.torch_device)
        distributed.all_reduce(votes)
        return bool(votes.item())

    def gather(self, value: T) -> list[T]:
        """Return the values of all processes by rank. All processes have to call this."""
        values = [value] * self.world
        if self.world > 1:
            distributed.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Wait until all processes have called this."""
        if self.world > 1:
            distributed.barrier()


@contextmanager
def open_device(name: DeviceName = "auto", threads: int = 0) -> Iterator[Device]:
    """Yield this process's device; under torchrun, one of several processes, each with its own GPU if there are any."""
    if threads:
        torch.set_num_threads(threads)
    world, local = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_RANK", "0"))
    torch_device = _find_torch_device(name, local)
    if world == 1:
        yield Device(torch_device)
        return
    distributed.init_process_group("nccl" if torch_device.type == "cuda" else "gloo")
    try:
        yield Device(torch_device, distributed.get_rank(), world)
    finally:
        distributed.destroy_process_group()


def _find_torch_device(name: DeviceName, local: int) -> torch.device:
    if name in {"auto", "cuda"} and torch.cuda.is_available():
        torch.cuda.set_device(local)
        return torch.device("cuda", local)
    if name in {"auto", "mps"} and torch.backends.mps.is_available():
        return torch.device("mps")
    if name not in {"auto", "cpu"}:
        raise ConfigurationError(f"there is no device {name} here: leave out --device, or say cpu")
    return torch.device("cpu")


def _has_bfloat16(torch_device: torch.device) -> bool:
    if torch_device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities() if torch_device.type == "cpu" else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
