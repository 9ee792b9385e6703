"""A tile through a whole compact model: onnxruntime and OpenVINO against torch, as predict.py runs them."""

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
from engine.export.runtimes import ONNXRUNTIME, OPENVINO, require_runtime
from engine.predict.source import TORCH, find_source
from engine.runtime.layout import channels_last
from engine.runtime.shipped import DEFAULT
from models.base import WholeModel

LIMIT, TARGET = 1e-4, 1.0
ROUNDED_LIMIT = 0.1  # where both round to bfloat16, each in its way
OPENVINO_TARGET = 1.5
SIDE, SMALL_SIDE, LARGE_SIDE = 128, 16, 256  # px of the LR tile
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


def shipped(small: bool) -> Case:
    """The shipped weights on a tile of noise, in the precision that predict.py chooses here."""
    try:
        require_runtime(OPENVINO)
    except UserError as reason:
        raise Unavailable(str(reason)) from None
    sources = [find_source(None, DEFAULT, device=torch.device("cpu"), runtime=name) for name in (OPENVINO, TORCH)]
    models, precision = [source.load().eval() for source in sources], sources[0].precision
    side = SMALL_SIDE if small else LARGE_SIDE
    lr = torch.rand(1, 3, side, side)

    def run(model: WholeModel) -> Outputs:
        with precision.autocast("cpu"):
            return outputs(model, lr)

    return Case(
        what=f"restore and segment a tile of {side}x{side} px ({DEFAULT}) in {precision.name}",
        ours="OpenVINO",
        alternative="torch, eager",
        run_ours=lambda: run(models[0]),
        run_alternative=lambda: run(models[1]),
        limit=LIMIT if precision.dtype == torch.float32 else ROUNDED_LIMIT,
        target=OPENVINO_TARGET,
    )


@torch.inference_mode()
def outputs(run: Callable[[torch.Tensor], JointOutput], lr: torch.Tensor) -> Outputs:
    """The restored image and the probability."""
    output = run(lr)
    return {"restored": output.sr, "probability": output.logits.sigmoid()}
