"""Whole models by the type that the options' section "network" calls them, one network for both tasks each."""

from __future__ import annotations

from torch import nn

from models.base import WholeModel
from models.dsrl import DSRL
from models.two_heads import TwoHeads

WHOLE_NETWORKS: dict[str, type[WholeModel]] = {"dsrl": DSRL, "two_heads": TwoHeads}


def count_parameters(network: nn.Module) -> int:
    """Numbers that training can change."""
    return sum(parameter.numel() for parameter in network.parameters())
