"""The tensors of a checkpoint that a network expects, by the network's own names."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from training.errors import TrainingError
from training.importing.guesses import Guess, Report
from training.pretrained.checkpoint_file import Checkpoint, is_average, preference

_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.", "aux_logits.")
"""Beginnings of the names of classifiers that only training uses (Inception)."""
_COUNTERS = "num_batches_tracked"
"""Last part of names that files of old versions of PyTorch lack, and that nothing reads."""
_AVERAGED = "n_averaged"
"""Counter of PyTorch's moving averages."""
_SHOWN = 3
_EXPORT = "export an ONNX file and import that"


@dataclass(frozen=True)
class _Wanted:
    """What a network expects. shapes: of its tensors, those of the head for two classes; head: path of its last layer.

    network: its name, for messages.
    """

    shapes: Mapping[str, tuple[int, ...]]
    head: str
    network: str

    @property
    def names(self) -> set[str]:
        return {name for name in self.shapes if not name.endswith(_COUNTERS)}

    @property
    def head_names(self) -> set[str]:
        return {name for name in self.names if name in (f"{self.head}.weight", f"{self.head}.bias")}


@dataclass(frozen=True)
class _Fit:
    """A part of a file in which a network is found. part: its key; prefix: what stands before the network's names.

    head: name of the last layer in the file where it differs from the network's, else empty.
    """

    part: str
    prefix: str
    head: str = ""


def tensors_for(
    checkpoint: Checkpoint, expected: Mapping[str, Tensor], head: str, network: str, report: Report
) -> dict[str, Tensor]:
    """Return the tensors that a network expects, by its own names, without a prefix that the file puts before them.

    expected: the network's own, of any number of classes; head: path of its last layer, which is also found under
    another name where the file has one linear layer that fits and nothing else besides the network; network: name for
    messages. report: called with what is taken. Tensors of parts beside the network, such as a loss, are left out.
    Raises TrainingError where tensors of the network are missing, where it lacks some of them, and where it is found
    twice.
    """
    wanted = _Wanted({name: tuple(tensor.shape) for name, tensor in expected.items()}, head, network)
    fit = _find(checkpoint, wanted)
    tensors = checkpoint.parts[fit.part]
    names = {name: fit.prefix + name for name in wanted.shapes}
    if fit.head:
        names |= {name: fit.head + name.removeprefix(wanted.head) for name in wanted.head_names}
    else:
        _refuse_others(checkpoint, fit, wanted)
    taken = {name: tensors[there] for name, there in names.items() if there in tensors}
    if taken[f"{head}.weight"].ndim != len(wanted.shapes[f"{head}.weight"]):
        raise TrainingError(
            f"{checkpoint.path} is no checkpoint of {network}: {head}.weight has the shape "
            f"{list(taken[f'{head}.weight'].shape)}, where a linear layer has [classes, features]"
        )
    report(_weights_guess(checkpoint, fit, wanted, _others(tensors, names.values())))
    return taken


def _others(tensors: Mapping[str, Tensor], known: Collection[str]) -> list[str]:
    """Return the names in a file that are none of the known ones, and no counters."""
    return [name for name in tensors if name not in known and not name.endswith((_COUNTERS, _AVERAGED))]


def _find(checkpoint: Checkpoint, wanted: _Wanted) -> _Fit:
    """Return where the network is in the file. Raises TrainingError where it is not, and where it is twice."""
    for search in (_complete, _with_another_head):
        fits = [fit for part in checkpoint.parts for fit in search(checkpoint.parts[part], part, wanted)]
        if not fits:
            continue
        first = min(preference(fit.part) for fit in fits)
        best = sorted((fit for fit in fits if preference(fit.part) == first), key=lambda fit: (fit.part, fit.prefix))
        if len(best) == 1:
            return best[0]
        places = " and ".join(repr(fit.prefix if len({each.part for each in best}) == 1 else fit.part) for fit in best)
        raise TrainingError(
            f"{checkpoint.path} holds {wanted.network} {len(best)} times, behind {places}: keep the tensors of one of "
            "them"
        )
    raise TrainingError(_no_checkpoint(checkpoint, wanted))


def _complete(tensors: Mapping[str, Tensor], part: str, wanted: _Wanted) -> Iterator[_Fit]:
    """Yield the prefixes behind which each tensor of the network stands."""
    for prefix in _prefixes(tensors, min(wanted.names)):
        if all(prefix + name in tensors for name in wanted.names):
            yield _Fit(part, prefix)


def _with_another_head(tensors: Mapping[str, Tensor], part: str, wanted: _Wanted) -> Iterator[_Fit]:
    """Yield the prefixes behind which all but the last layer stands, where one linear layer is all that is left."""
    body = wanted.names - wanted.head_names
    for prefix in _prefixes(tensors, min(body)) if body else ():
        if not all(prefix + name in tensors for name in body):
            continue
        others = _others(tensors, {prefix + name for name in wanted.shapes})
        heads = [name for name in others if _takes_features(name, tensors[name], wanted)]
        if len(heads) != 1:
            continue
        head = heads[0].removesuffix(".weight")
        if set(others) == {head + name.removeprefix(wanted.head) for name in wanted.head_names}:
            yield _Fit(part, prefix, head)


def _takes_features(name: str, tensor: Tensor, wanted: _Wanted) -> bool:
    """Return whether a tensor is the weight of a linear layer that takes what the network's last layer takes."""
    features = wanted.shapes[f"{wanted.head}.weight"][1]
    return name.endswith(".weight") and tensor.ndim == 2 and tensor.shape[1] == features


def _prefixes(tensors: Mapping[str, Tensor], sample: str) -> list[str]:
    """Return what stands before the name `sample` in a file."""
    return sorted(name.removesuffix(sample) for name in tensors if name == sample or name.endswith(f".{sample}"))


def _refuse_others(checkpoint: Checkpoint, fit: _Fit, wanted: _Wanted) -> None:
    """Raise TrainingError where the file has tensors that belong to the network, and the network lacks them."""
    parts = {name.partition(".")[0] for name in wanted.shapes}
    below = (name.removeprefix(fit.prefix) for name in checkpoint.parts[fit.part] if name.startswith(fit.prefix))
    unknown = sorted(
        fit.prefix + name
        for name in below
        if name not in wanted.shapes
        and not name.startswith(_AUXILIARY)
        and (fit.prefix or name.partition(".")[0] in parts)
        and not name.endswith((_COUNTERS, _AVERAGED))
    )
    if unknown:
        raise TrainingError(
            f"{checkpoint.path} is no checkpoint of {wanted.network}: it has {len(unknown)} tensors that "
            f"{wanted.network} lacks, such as {unknown[0]!r}; import it as the network that it was trained as, or "
            f"{_EXPORT}"
        )


def _no_checkpoint(checkpoint: Checkpoint, wanted: _Wanted) -> str:
    """Return how the names of the file differ from those of the network, in the part and prefix that fit most."""

    def count(place: tuple[Mapping[str, Tensor], str]) -> int:
        return sum(place[1] + name in place[0] for name in wanted.names)

    places = [
        (tensors, prefix)
        for tensors in checkpoint.parts.values()
        for prefix in sorted({found for name in wanted.names for found in _prefixes(tensors, name)} | {""})
    ]
    tensors, prefix = max(places, key=count)
    missing = sorted(name for name in wanted.names if prefix + name not in tensors)
    others = _others(tensors, {prefix + name for name in wanted.shapes})
    sentence = f"{checkpoint.path} is no checkpoint of {wanted.network}: "
    if set(missing) <= wanted.head_names:
        layers = ", ".join(f"{name} {list(tensors[name].shape)}" for name in others[:_SHOWN])
        return (
            f"{sentence}its last layer {wanted.head!r} is missing, and the file has {layers or 'no other'} instead; "
            f"give one with a single linear layer at its end, or {_EXPORT}"
        )
    shown = others[:_SHOWN] or list(tensors)[:_SHOWN]
    return (
        f"{sentence}{len(missing)} of its {len(wanted.names)} tensors are missing, such as {prefix + missing[0]!r}; "
        f"the file has {', '.join(map(repr, shown))} and so on: import it as the network that it was trained as"
    )


def _weights_guess(checkpoint: Checkpoint, fit: _Fit, wanted: _Wanted, others: list[str]) -> Guess:
    """Return what was taken from the file. others: names of tensors in the same part that were not."""
    part = f"{fit.part!r} of {checkpoint.path.name}" if fit.part else checkpoint.path.name
    average = ", the moving average of the weights" if is_average(fit.part) else ""
    facts = [f"{fit.prefix!r} was removed from the names" if fit.prefix else "under the network's own names"]
    if fit.head:
        facts.append(f"assumed: {fit.head!r} is the last layer, {wanted.head!r} of {wanted.network}")
    if others:
        names = ", ".join(others[:_SHOWN]) + (", ..." if len(others) > _SHOWN else "")
        facts.append(f"{len(others)} other tensors were left out: {names}")
    passed = [each for each in checkpoint.parts if is_average(each) and preference(each) < preference(fit.part)]
    facts += [f"{each!r} lacks tensors of the network" for each in passed]
    return Guess("weights", part + average, "; ".join(facts))
