"""On which devices a training runs, and in how many processes."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric


def make_fabric(processes: int, nodes: int = 1) -> Fabric:
    """Decide on the device and, for several processes, DDP (gloo on CPUs); the precision is no matter of Fabric's.

    Args:
        processes: on all nodes together.
        nodes: machines.
    """
    from lightning_fabric.strategies import DDPStrategy

    gpu = torch.cuda.is_available()
    strategy = DDPStrategy(find_unused_parameters=True) if processes > 1 else "auto"
    fabric = Fabric(
        accelerator="cuda" if gpu else "cpu", devices=processes // nodes, num_nodes=nodes, strategy=strategy
    )
    fabric.launch()
    return fabric
