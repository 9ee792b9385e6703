"""Checks that hold for every network, whether it restores or segments: what the two testers share.

``forward`` runs a network on an input and returns the tensor that is compared.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.reference_keys import reference_keys

Forward = Callable[[nn.Module, Tensor], Tensor]


def parameters_without_gradient(network: nn.Module, loss: Tensor) -> list[str]:
    """Names of the parameters that ``loss`` does not reach; gradients are cleared afterwards."""
    loss.backward()
    without = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    network.zero_grad(set_to_none=True)
    return without


def check_saved_weights(network: nn.Module, x: Tensor, forward: Forward) -> None:
    """Saved weights turn a copy with other weights into the same function."""
    file = io.BytesIO()
    torch.save(network.state_dict(), file)
    file.seek(0)
    other = copy.deepcopy(network)
    for parameter in other.parameters():
        nn.init.ones_(parameter)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(forward(network.eval(), x), forward(other.eval(), x))


@torch.no_grad()
def check_evaluation(network: nn.Module, x: Tensor, forward: Forward) -> None:
    """In evaluation mode the same input gives the same output, and a sample alone what it gives in a batch.

    The latter in float64: some networks amplify the rounding of float32 a thousandfold.
    """
    network.eval()
    assert torch.equal(forward(network, x), forward(network, x))
    exact, x = copy.deepcopy(network).double(), x.double()
    alone = torch.cat([forward(exact, one[None]) for one in x])
    torch.testing.assert_close(forward(exact, x), alone, rtol=1e-8, atol=1e-8)


def relative_error(ours: Tensor, exact: Tensor) -> float:
    """Euclidean norm of the error relative to that of ``exact``.

    Not the largest error: rounding makes networks with remembered maxima put single values elsewhere.
    """
    return ((ours.float() - exact).norm() / exact.norm()).item()


@torch.no_grad()
def check_half_precision(
    network: nn.Module, x: Tensor, dtype: torch.dtype, forward: Forward, tolerance: float = 0.1
) -> None:
    """Under autocast to ``dtype`` the output is close to that of full precision."""
    network.eval()
    full = forward(network, x)
    with torch.autocast("cpu", dtype=dtype):
        assert relative_error(forward(network, x), full) < tolerance


@torch.no_grad()
def check_half_weights(
    network: nn.Module, x: Tensor, dtype: torch.dtype, forward: Forward, tolerance: float = 0.1
) -> None:
    """With weights and input in ``dtype`` the output is close to that of full precision."""
    full = forward(network.eval(), x)
    half = forward(copy.deepcopy(network).to(dtype), x.to(dtype))
    assert relative_error(half, full) < tolerance


def checkpoint(network: nn.Module, family: str = "kbpn") -> dict[str, Tensor]:
    """The network's weights under the authors' names."""
    own = network.state_dict()
    return {reference: own[name] for reference, name in reference_keys(family, own).items()}
