"""Channels in the order blue, green, red."""

import torch
from torch import nn

from training.networks.reversed_channels import ReversedChannels


def test_the_body_gets_blue_first() -> None:
    """And red last."""
    pixels = torch.arange(3.0).reshape(1, 3, 1, 1)
    assert ReversedChannels(nn.Identity())(pixels).flatten().tolist() == [2, 1, 0]
