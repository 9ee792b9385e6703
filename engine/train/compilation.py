"""torch.compile for the networks in training, given up where it fails."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def compile_or_tell(networks: dict[str, nn.Module], step: Callable[[], Tensor]) -> str | None:
    """Compile networks in place and try them. Copies of them, such as the averaged weights, are not compiled.

    Args:
        networks: by name.
        step: a training step's forward, which returns the loss []. It leaves no trace: gradients, batch-norm statistics
            and random states are put back.

    Returns:
        None, or in one line why all of them run uncompiled.
    """
    kept = {name: {key: tensor.clone() for key, tensor in net.named_buffers()} for name, net in networks.items()}
    for network in networks.values():
        network.compile(dynamic=False)
    devices = sorted(
        {tensor.device.index for net in networks.values() for tensor in net.parameters() if tensor.is_cuda}
    )
    reason = None
    try:
        with torch.random.fork_rng(devices):
            step().backward()
        torch._dynamo.config.suppress_errors = True  # later stages bring other graphs: one that fails runs uncompiled
    except Exception as error:  # what compilers raise has no common type
        cause = getattr(error, "inner_exception", error)
        reason = f"{type(cause).__name__}: {(str(cause).strip() or 'no reason given').splitlines()[0]}"
        for network in networks.values():
            network._compiled_call_impl = None  # what compile() set; there is no public way back
    for name, network in networks.items():
        network.zero_grad(set_to_none=True)
        for key, buffer in network.named_buffers():
            buffer.copy_(kept[name][key])
    return reason
