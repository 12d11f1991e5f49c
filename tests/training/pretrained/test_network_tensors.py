"""A network is found in a checkpoint, under whatever names the file has for it."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from training.errors import TrainingError
from training.importing.guesses import Guess
from training.pretrained.checkpoint_file import Checkpoint
from training.pretrained.network_tensors import tensors_for

OWN = {
    "conv.weight": torch.ones(4, 3, 3, 3),
    "bn.running_mean": torch.ones(4),
    "bn.num_batches_tracked": torch.tensor(1),
    "fc.weight": torch.ones(2, 4),
    "fc.bias": torch.ones(2),
}
HEAD = {"fc.weight": torch.full((7, 4), 2.0), "fc.bias": torch.full((7,), 2.0)}
BODY = {name: tensor for name, tensor in OWN.items() if name not in HEAD}


def behind(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def found(**parts: dict[str, Tensor]) -> tuple[dict[str, Tensor], Guess]:
    """Return what is taken of a file, and what is said. parts: by their keys, `whole` being the whole content."""
    guesses = list[Guess]()
    checkpoint = Checkpoint(Path("a.pth"), {"" if key == "whole" else key: part for key, part in parts.items()})
    return tensors_for(checkpoint, OWN, "fc", "net", guesses.append), guesses[0]


@pytest.mark.parametrize("prefix", ["", "model.", "module.", "net.", "module._orig_mod.", "_orig_mod."])
def test_a_prefix_of_all_names_is_removed(prefix: str) -> None:
    """As Lightning, DistributedDataParallel, torch.compile and wrappers of one's own put it there; it is said."""
    taken, guess = found(whole=behind(prefix, BODY | HEAD))
    assert (set(taken), taken["fc.weight"].shape[0]) == (set(OWN), 7)
    assert (repr(prefix) in guess.reason) == bool(prefix)


def test_counters_may_be_missing() -> None:
    """As in files of old versions of PyTorch."""
    taken, _ = found(whole={name: each for name, each in (BODY | HEAD).items() if not name.endswith("tracked")})
    assert "bn.num_batches_tracked" not in taken


def test_the_moving_average_goes_before_the_weights() -> None:
    """With its counter, of which nothing is said."""
    _, guess = found(model=BODY | HEAD, model_ema=behind("module.", BODY | HEAD) | {"n_averaged": torch.tensor(3)})
    assert guess.value == "'model_ema' of a.pth, the moving average of the weights"
    assert "left out" not in guess.reason


def test_an_average_without_all_tensors_is_passed_over() -> None:
    """Some averages keep parameters only, without the statistics of batch norms; that they are not taken is said."""
    shadow = {name: each for name, each in (BODY | HEAD).items() if "running" not in name}
    taken, guess = found(**{"model": BODY | HEAD, "ema.shadow": shadow})
    assert set(taken) == set(OWN)
    assert "'model' of a.pth" in guess.value
    assert "'ema.shadow' lacks tensors of the network" in guess.reason


@pytest.mark.parametrize("head", ["classifier", "head.fc", "fc.1", "head"])
@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_the_last_layer_is_found_under_another_name(prefix: str, head: str) -> None:
    """Where nothing else is left in the file; it is an assumption, and called so."""
    renamed = {f"{head}.weight": HEAD["fc.weight"], f"{head}.bias": HEAD["fc.bias"]}
    taken, guess = found(whole=behind(prefix, BODY) | renamed)
    assert (set(taken), taken["fc.weight"].shape) == (set(OWN), (7, 4))
    assert f"assumed: {head!r} is the last layer" in guess.reason


def test_tensors_of_other_parts_are_left_out() -> None:
    """Such as the weights of a loss; they are named."""
    taken, guess = found(whole=behind("model.", BODY | HEAD) | {"criterion.weight": torch.ones(7)})
    assert set(taken) == set(OWN)
    assert "1 other tensors were left out: criterion.weight" in guess.reason


TWO_LAYERS = {"fc.0.weight": torch.ones(5, 4), "fc.0.bias": torch.ones(5), "fc.3.weight": torch.ones(7, 5)}


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (BODY | HEAD | {"fc.more": torch.ones(1)}, "1 tensors that net lacks, such as 'fc.more'; import it as"),
        (behind("a.", BODY | HEAD | {"more": torch.ones(1)}), "1 tensors that net lacks, such as 'a.more'"),
        (
            behind("student.", BODY | HEAD) | behind("teacher.", BODY | HEAD),
            "2 times, behind 'student.' and 'teacher.'",
        ),
        (BODY, "its last layer 'fc' is missing, and the file has no other instead"),
        (BODY | TWO_LAYERS, r"is missing, and the file has fc.0.weight \[5, 4\], .*export an ONNX file"),
        ({"a.fc.weight": torch.ones(1)}, "3 of its 4 tensors are missing, such as 'a.bn.running_mean'"),
        ({"other": torch.ones(1)}, "4 of its 4 tensors are missing, .*the file has 'other' and so on: import it as"),
        (BODY | HEAD | {"fc.weight": torch.tensor(1.0)}, r"fc.weight has the shape \[\], where a linear layer has"),
    ],
    ids=["more", "more behind a prefix", "twice", "no head", "two layers", "fewer", "none", "scalar"],
)
def test_what_does_not_fit_is_named(kept: dict[str, Tensor], message: str) -> None:
    """With the first of the names, and what to do."""
    with pytest.raises(TrainingError, match=message):
        found(whole=kept)


def test_two_parts_of_equal_rank_are_refused() -> None:
    """Either choice would be silently wrong for half of the users."""
    with pytest.raises(TrainingError, match="holds net 2 times, behind 'student' and 'teacher'"):
        found(student=BODY | HEAD, teacher=BODY | HEAD)
