"""Gradient checkpointing (T. Chen et al., arXiv 1604.06174): maps are made again in the backward pass instead of kept.

For networks with ``supports_gradient_checkpointing``. Parts with batch norm are not made for it: their statistics would
be updated twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from contracts.errors import ArgumentError
from models.base import SuperResolution


def checkpointed(active: bool, function: Callable[..., Any], *arguments: object) -> Any:
    """Call a function, if ``active`` without keeping what only its backward pass needs.

    Args:
        active: whether to compute the maps again in the backward pass.
        function: what to call.
        arguments: of the function; lists among them must not change before the backward pass: hand over tuples.

    Returns:
        ``function(*arguments)``.
    """
    if not active or not torch.is_grad_enabled():
        return function(*arguments)
    return checkpoint(function, *arguments, use_reentrant=False)


def checkpoint_gradients(network: nn.Module) -> None:
    """Let a network make its maps again. Raises ArgumentError for one that cannot."""
    if not isinstance(network, SuperResolution) or not network.supports_gradient_checkpointing:
        raise ArgumentError("this SR network keeps its maps; kbpn and dbpn can make theirs again")
    network.gradient_checkpointing = True
