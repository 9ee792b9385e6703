"""Whole models, which restore and segment a photograph: two networks in a chain, or one for both."""

from __future__ import annotations

from torch import nn

from models.dsrl import DSRL
from models.joint import JointModel

Model = JointModel | DSRL
WHOLE_NETWORKS: dict[str, type[DSRL]] = {"dsrl": DSRL}  # by the type in the options' section "network"


def count_parameters(network: nn.Module) -> int:
    """Numbers that training can change."""
    return sum(parameter.numel() for parameter in network.parameters())
