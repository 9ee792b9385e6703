"""A tile through the whole compact model: onnxruntime against torch, as predict.py runs either."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.case import Case, Outputs, Unavailable
from benchmarks.joint_step import COMPACT, load
from contracts.errors import UserError
from contracts.records import JointOutput
from engine.build.models import build_model
from engine.export.onnx_model import model_of
from engine.export.run import to_onnx
from engine.export.runtimes import ONNXRUNTIME, require_runtime
from engine.runtime.layout import channels_last

LIMIT, TARGET = 1e-4, 1.0
SIDE, SMALL_SIDE = 128, 16  # px of the LR tile
CHANGES = ("network_sr:output_gain=1.0", "network_sr:correction_gain=0.1")  # untrained, but all of it is at work


def tile(small: bool) -> Case:
    """The system of options/joint.yml with random weights on a tile of noise."""
    try:
        require_runtime(ONNXRUNTIME)
    except UserError as reason:
        raise Unavailable(str(reason)) from None
    torch.manual_seed(0)
    model = channels_last(build_model(load(COMPACT, CHANGES), pretrained=False).eval())
    exported = model_of(to_onnx(model))
    side = SMALL_SIDE if small else SIDE
    lr = torch.rand(1, 3, side, side)
    return Case(
        what=f"restore and segment a tile of {side}x{side} px (options/joint.yml)",
        ours="exported, onnxruntime",
        alternative="torch, eager",
        run_ours=lambda: outputs(exported, lr),
        run_alternative=lambda: outputs(model, lr),
        limit=LIMIT,
        target=TARGET,
    )


@torch.inference_mode()
def outputs(run: Callable[[torch.Tensor], JointOutput], lr: torch.Tensor) -> Outputs:
    """The restored image and the probability."""
    output = run(lr)
    return {"restored": output.sr, "probability": output.logits.sigmoid()}
