"""What bundles of checkpoints have in common, whichever library the network is of."""

from collections.abc import Callable
from pathlib import Path

from models.contract import Scores, sha256_of
from training.errors import TrainingError
from training.networks.exported_module import ExportedModule
from training.networks.network import Network
from training.networks.reversed_channels import ReversedChannels
from training.pretrained.checkpoint_file import Checkpoint
from training.pretrained.preparation import Preparation


def exported(network: Network, prepared: Preparation) -> ExportedModule:
    """Return the module to export, with the scaling and the order of the channels that the network was trained with."""
    if prepared.reverse:
        network = Network(ReversedChannels(network.body), network.head, pooled=network.pooled)
    return ExportedModule(network, prepared.scaling)


def refuse_another_network(
    checkpoint: Checkpoint, model: str, library: str, architecture: Callable[[str], str | None]
) -> None:
    """Raise TrainingError where the settings of a checkpoint name another network of the library than `model`.

    Networks may have the same tensors and compute other numbers, as efficientnet_b0 and tf_efficientnet_b0 of timm do.
    library: beginning of the sources; architecture: returns the network that a name means, None for an unknown name.
    """
    trained = checkpoint.settings.get("model")
    found = architecture(trained) if isinstance(trained, str) else None
    if found is not None and found != architecture(model):
        raise TrainingError(f"{checkpoint.path} was trained as {found}, not as {model}: import {library}{found}")


def weights_scores() -> Scores:
    """Return the scores of a checkpoint, of which nothing is known."""
    return Scores(measured=False, source="nothing is known of the accuracy of these weights")


def file_dataset(weights: Path) -> str:
    """Return what is known of the data that a checkpoint was trained on: its name and hash."""
    return f"not known: the weights come from the file {weights.name}, sha256 {sha256_of(weights)}"


def weights_notes() -> tuple[str, ...]:
    """Return what is said of every network with weights of others."""
    return (
        "Nothing was measured here but that the bundle computes what PyTorch computes.",
        "Whatever a picture shows, it gets the nearest of these classes.",
        "What was found out about the weights, or assumed:",
    )
