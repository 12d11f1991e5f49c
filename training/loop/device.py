"""Where a run computes: device, number format, and one of several processes when there are several GPUs."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from training.errors import ConfigurationError
from training.loop.recipe import Precision

T = TypeVar("T")
DeviceName = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True)
class Place:
    """One process of a run; `rank` 0 evaluates, reports and writes. `world`: how many processes share each batch."""

    device: torch.device
    rank: int = 0
    world: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def autocast(self, precision: Precision) -> AbstractContextManager[None]:
        """Computes in bfloat16 where the device does that faster, and the recipe does not forbid it."""
        enabled = precision == "bfloat16" or (precision == "auto" and _has_bfloat16(self.device))
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)

    def wrap(self, network: nn.Module, *, freezes: bool) -> nn.Module:
        """The network to call in training: gradients are averaged over all processes, where there are any."""
        return DistributedDataParallel(network, find_unused_parameters=freezes) if self.world > 1 else network

    def agree(self, value: bool) -> bool:
        """Whether it is true for any process; all have to ask."""
        if self.world == 1:
            return value
        votes = torch.tensor([float(value)], device=self.device)
        distributed.all_reduce(votes)
        return bool(votes.item())

    def gather(self, value: T) -> list[T]:
        """Of every process, by rank; all have to ask, and all get it."""
        values = [value] * self.world
        if self.world > 1:
            distributed.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            distributed.barrier()


@contextmanager
def take_place(name: DeviceName = "auto", threads: int = 0) -> Iterator[Place]:
    """This process's place; under torchrun one of several, each with a GPU of its own where there are GPUs."""
    if threads:
        torch.set_num_threads(threads)
    world, local = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_RANK", "0"))
    device = _device(name, local)
    if world == 1:
        yield Place(device)
        return
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Place(device, distributed.get_rank(), world)
    finally:
        distributed.destroy_process_group()


def _device(name: DeviceName, local: int) -> torch.device:
    if name in {"auto", "cuda"} and torch.cuda.is_available():
        torch.cuda.set_device(local)
        return torch.device("cuda", local)
    if name in {"auto", "mps"} and torch.backends.mps.is_available():
        return torch.device("mps")
    if name not in {"auto", "cpu"}:
        raise ConfigurationError(f"there is no device {name} here: leave out --device, or say cpu")
    return torch.device("cpu")


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
