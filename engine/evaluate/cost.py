"""What an answer of a model costs."""

from __future__ import annotations

import time
from typing import Any

import torch

from engine.runtime.compute import MIB, MultiplyAdds, peak_memory
from models.base import WholeModel

LR_SIDE = 64  # px


def inference_cost(model: WholeModel, scale: int, device: torch.device) -> dict[str, Any]:
    """The cost of restoring and segmenting one grey LR image of 64x64 pixels, in float32.

    Args:
        model: on the device; left in evaluation mode.
        scale: of the restoration.
        device: of the model.

    Returns:
        lr_pixels, multiply_adds (of convolutions and matrix products), parameters, seconds (the quicker of two runs),
        peak_memory_mib of this process so far.
    """
    model.eval()  # else this image would count in batch-norm statistics
    image = torch.full((1, 3, LR_SIDE, LR_SIDE), 0.5, device=device)
    counter, seconds = MultiplyAdds(), []
    with torch.inference_mode():
        with counter.counting():
            output = model(image)
        for _ in range(2):
            began = time.perf_counter()
            output = model(image)
            float(output.logits.flatten()[0])  # waits for a GPU
            seconds.append(time.perf_counter() - began)
    assert output.logits.shape[-1] == LR_SIDE * scale
    return {
        "lr_pixels": LR_SIDE**2,
        "multiply_adds": counter.number,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "seconds": round(min(seconds), 4),
        "peak_memory_mib": round(peak_memory(device) / MIB),
    }
