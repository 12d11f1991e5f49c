"""Writes docs/networks.md from the registry: `python -m training.networks.docs_table > docs/networks.md`."""

import sys

from training.model_card.markdown import table
from training.networks.registry import NETWORKS, NetworkInfo
from training.networks.summary import summarise

_HEAD = """# Networks

Names for `snellen train --network` and `snellen summary`. Besides them, any `timm/<model>` that ends in a linear layer.
Parameters and multiply-adds are for the images in the third column, and for 10 classes where those are small, 1000
where they are ImageNet's; `snellen summary NAME` shows them layer by layer, with receptive fields, for any other size.

"""
_TAIL = """
There is a class map where nothing but a mean over all places is between a network's features and its last layer; that
is tried when the network is made. MobileNet v3, GhostNet and ConvNeXt have a layer or a norm in between, ViT reads one
token, the others flatten. `three-conv` pads nothing: one pass over a larger image gives what sliding over it gives.

Differences from the papers: LeNet-5 connects every map of its third layer and pools without coefficients; GoogLeNet has
batch norms and no auxiliary classifiers; SqueezeNet is version 1.1, and its last 1x1 convolution is a linear layer
after the mean, without the ReLU; the dense layers of LeNet-5, the two-conv network and ZFNet fit the size of the
images. AlexNet is the single-column one of 2014, `mobilenet-v3` the large one, ShuffleNet v2 the one of width 1.

A multiply-add is one multiplication with its addition, in convolutions, matrices and attention.

Networks that others have trained already: [importing](importing.md).
"""
_HEADER = ("name", "code", "images", "smallest", "parameters", "multiply-adds", "class map", "paper")


def document() -> str:
    """Return the whole page. Takes a minute, since every network is built once."""
    return _HEAD + table(_HEADER, (_row(name, info) for name, info in NETWORKS.items())) + "\n" + _TAIL


def _row(name: str, info: NetworkInfo) -> tuple[str, ...]:
    network = info.build(info.classes, info.native)
    has_class_map = "yes" if network.has_class_map else "no"
    found = summarise(network, info.native)
    images = f"{info.native.width}x{info.native.height} {info.native.colour.value}"
    amounts = f"{found.parameters:,}", f"{found.multiply_adds / 1e6:,.1f} M"
    return f"`{name}`", info.origin, images, str(info.smallest), *amounts, has_class_map, info.paper


if __name__ == "__main__":
    sys.stdout.write(document())
