"""Exported models: onnxruntime gives what torch gives, for every network and size, and the same predictions."""

from __future__ import annotations

import builtins
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from test_models_seg import SMALL as SMALL_SEG
from test_models_sr import SMALL as SMALL_SR
from tiny_runs import Outcome, assert_error, contents, run_here
from torch import Tensor, nn

from contracts.records import JointOutput
from engine.tiled_model import TiledModel
from models.dsrl import DSRL
from models.joint import JointModel
from models.normalisation import local_mean, local_mean_by_sums
from models.seg import SEG_NETWORKS
from models.seg.fpn import FPN
from models.seg.pspnet import cell_weights
from models.sr import SR_NETWORKS
from models.sr.bicubic import Bicubic
from models.whole import Model

onnx = pytest.importorskip("onnx", reason="the optional extra onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the optional extra onnxruntime is not installed")
from engine.onnx_export import to_onnx  # noqa: E402
from engine.onnx_model import OnnxModel  # noqa: E402

SIZES = ((37, 45), (8, 9), (64, 48), (21, 70))
TOLERANCE = 1e-4


def ready(model: Model) -> Model:
    """The model in evaluation mode, its handover no longer zero."""
    torch.manual_seed(1)
    for layer in model.handover.modules() if getattr(model, "handover", None) is not None else ():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=0.1)
    return model.eval()


def small(sr: str = "kbpn", seg: str = "fpn", **connection: object) -> JointModel:
    """A small joint model of two listed networks."""
    torch.manual_seed(0)
    networks = SR_NETWORKS[sr](scale=4, **SMALL_SR[sr]), SEG_NETWORKS[seg](**SMALL_SEG[seg])
    return ready(JointModel(*networks, scale=4, **connection))


def tile(height: int, width: int) -> Tensor:
    """A tile [1,3,height,width]: smooth, with a dark line."""
    generator = torch.Generator().manual_seed(height)
    image = F.interpolate(torch.rand(1, 3, 5, 5, generator=generator), (height, width), mode="bilinear")
    image[..., height // 2, :] *= 0.3
    return image


def assert_equal(ours: JointOutput, theirs: JointOutput) -> None:
    """Images, kernels and logits agree."""
    torch.testing.assert_close(theirs.sr, ours.sr, rtol=0, atol=TOLERANCE)
    torch.testing.assert_close(theirs.logits, ours.logits, rtol=TOLERANCE, atol=TOLERANCE)
    assert (theirs.kernel is None) == (ours.kernel is None)
    if ours.kernel is not None:
        torch.testing.assert_close(theirs.kernel, ours.kernel, rtol=0, atol=TOLERANCE)


CASES = {
    **{f"sr {name}": {"sr": name} for name in SR_NETWORKS},
    **{f"seg {name}": {"seg": name} for name in SEG_NETWORKS},
    **{f"normalise {name}": {"normalise": name, "window": 100} for name in ("local", "fixed", "none")},
    "handover": {"handover": True},
    "bare": {"sr": "bicubic", "normalise": "none"},
}


@pytest.mark.parametrize("case", CASES)
@torch.inference_mode()
def test_whole_and_parts_equal_torch(case: str) -> None:
    """One tile in one go, and in parts as TiledModel runs them, on sizes other than that traced."""
    model = small(**CASES[case])
    exported = OnnxModel(to_onnx(model))
    ours, theirs = (TiledModel(one, torch.device("cpu"), 128, 16) for one in (model, exported))
    for size in SIZES:
        lr = tile(*size)
        assert_equal(model(lr), exported(lr))
        torch.testing.assert_close(theirs.segment(lr), ours.segment(lr), rtol=0, atol=TOLERANCE)
        (image, kernel), (expected, expected_kernel) = theirs.restore(lr), ours.restore(lr)
        torch.testing.assert_close(image, expected, rtol=0, atol=TOLERANCE)
        found = theirs.segment(image, kernel)
        torch.testing.assert_close(found, ours.segment(expected, expected_kernel), rtol=0, atol=TOLERANCE)
