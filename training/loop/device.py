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
from training.loop.recipe import NumberFormat

T = TypeVar("T")
DeviceName = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True)
class Device:
    """One process of a run; `rank` 0 evaluates, reports and writes. `world`: how many processes share each batch."""

    torch_device: torch.device
    rank: int = 0
    world: int = 1

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def autocast(self, precision: NumberFormat) -> AbstractContextManager[None]:
        """Computes in bfloat16 where the device does that faster, and the recipe does not forbid it."""
        enabled = precision == "bfloat16" or (precision == "auto" and _has_bfloat16(self.torch_device))
        return torch.autocast(self.torch_device.type, torch.bfloat16, enabled=enabled)

    def wrap(self, network: nn.Module, *, freezes: bool) -> nn.Module:
        """The network to call in training: gradients are averaged over all processes, where there are any."""
        return DistributedDataParallel(network, find_unused_parameters=freezes) if self.world > 1 else network

    def any_process(self, value: bool) -> bool:
        """Whether it is true for any process; all have to ask."""
        if self.world == 1:
            return value
        votes = torch.tensor([float(value)], device=self.torch_device)
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
def open_device(name: DeviceName = "auto", threads: int = 0) -> Iterator[Device]:
    """This process's place; under torchrun one of several, each with a GPU of its own where there are GPUs."""
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
