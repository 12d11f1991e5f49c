"""Runs in two processes, as torchrun starts them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

_TORCHRUN = (sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")

_LEARNS = """
import sys, torch
from pathlib import Path
from tests.training.loop.conftest import CLASSES, training_data
from training.loop.device import open_device
from training.loop.fit import fit
from training.loop.recipe import Recipe
from training.networks.small_resnet import small_resnet
torch.manual_seed(3)
with open_device('cpu', threads=1) as device:
    raw = small_resnet(CLASSES)
    fit(raw, training_data(), Recipe(epochs=2, batch_size=16, freeze=1), device=device, folder=Path(sys.argv[1]))
    torch.save(list(raw.parameters()), f'{sys.argv[1]}/weights{device.rank}.pt')
"""

_RESUMES = """
import os, signal, sys, torch
from pathlib import Path
from tests.training.loop.conftest import CLASSES, training_data
from training.errors import InterruptedRunError
from training.loop.device import open_device
from training.loop.fit import fit
from training.loop.recipe import Augmentation, Recipe
from training.loop.trainer import Trainer
from training.networks.small_resnet import small_resnet

folder, steps = Path(sys.argv[1]), int(sys.argv[2])
recipe = Recipe(epochs=2, batch_size=16, accumulate=2, augmentation=Augmentation(mixup=0.2, policy="trivial"))

def learn(device, seed, **kept):
    torch.manual_seed(3)
    network = small_resnet(CLASSES)
    torch.manual_seed(seed + device.rank)
    return fit(network, training_data(), recipe, device=device, **kept)

def interrupt(trainer, *batch):
    global steps
    steps -= 1
    if steps == 0:
        os.kill(os.getpid(), signal.SIGTERM)
    return train_batch(trainer, *batch)

with open_device("cpu", threads=1) as device:
    whole, score = learn(device, 10)
    train_batch = Trainer.train_batch
    if not device.is_main:
        Trainer.train_batch = interrupt
    try:
        learn(device, 10, folder=folder)
        raise SystemExit("not interrupted")
    except InterruptedRunError:
        Trainer.train_batch = train_batch
    device.wait()
    resumed, again = learn(device, 99, folder=folder, resume=True)
    if device.is_main:
        pairs = list(zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True))
        torch.save({"same": all(torch.equal(*pair) for pair in pairs), "score": score == again}, folder / "result.pt")
"""


def together(script: str, folder: Path, *arguments: str) -> str:
    """Both processes run `script` to its end; returns what they wrote to stderr."""
    (folder / "together.py").write_text(script)
    environment = os.environ | {"PYTHONPATH": os.getcwd(), "OMP_NUM_THREADS": "1"}
    command = [*_TORCHRUN, str(folder / "together.py"), str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stderr


@pytest.mark.slow
def test_two_processes_learn_together(tmp_path: Path) -> None:
    """Both take half of each batch, and end with the same weights, also where a body is frozen at first; one writes."""
    said = together(_LEARNS, tmp_path)
    first, second = (torch.load(tmp_path / f"weights{rank}.pt") for rank in (0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert (tmp_path / "checkpoint.pt").exists()
    assert said.count("epoch 1/2") == 1


@pytest.mark.slow
@pytest.mark.parametrize("steps", ["3", "8"])
def test_two_processes_resume_to_the_very_same_weights(steps: str, tmp_path: Path) -> None:
    """Bit by bit: the checkpoint has the random numbers of both, and a signal that one of them gets stops both."""
    together(_RESUMES, tmp_path, steps)
    assert torch.load(tmp_path / "result.pt") == {"same": True, "score": True}
    kept = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["random"]
    assert len(kept) == 2
    assert not torch.equal(kept[0]["torch"], kept[1]["torch"])
