"""Answers of half precision that fail are computed again in float32, and said to be.

The networks are real ones whose convolution adds a large number that batch norm takes away again. In float32 nothing
changes but rounding; bfloat16 has 8 bits, so that at 2^15 everything below 128 is lost, and beyond 3.396e38 it is
infinite, where float32 still has numbers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from contracts.errors import UserError
from engine.predict.photo import Prediction, search
from engine.predict.tiled_model import TiledModel
from engine.runtime.precision import FLOAT32, Precision
from models.joint import JointModel
from models.seg.fpn import FPN
from models.sr.bicubic import Bicubic
from tests.helpers.photographs import photograph
from tests.helpers.runs import run_here

CPU, BFLOAT16 = torch.device("cpu"), Precision(torch.bfloat16, "for a test")
PIXELS = photograph(64, 64)
LOST, INFINITE = 2.0**15, 3.4e38
AGAIN = "done again in float32, as bfloat16 "


def network(offset: float, level: float = 0.5) -> JointModel:
    """level: where the logit that batch norm's shift alone gives lies below those of the photograph, 0 the lowest
    and 1 the highest; crack begins half way from there to the highest."""
    torch.manual_seed(3)
    seg = FPN(encoder="plain", width=8).eval()
    convolution, norm = seg.smooth[0], seg.smooth[1]
    nn.init.normal_(convolution.weight, std=0.3)
    nn.init.constant_(norm.bias, 1.0)
    nn.init.normal_(seg.reduce.weight, std=1.0)
    model = JointModel(Bicubic(4), seg, scale=4).eval()
    with torch.no_grad():
        image = torch.from_numpy(PIXELS).permute(2, 0, 1)[None] / 255
        logits = model.segment(image).logits
        constant = (seg.reduce.weight.flatten().sum() + seg.reduce.bias).item()  # of the shift alone, past the ReLU
        assert constant < logits.max()
        seg.reduce.bias -= (constant + logits.max().item()) / 2
        convolution.bias = nn.Parameter(torch.full((8,), offset))
        norm.running_mean += offset
    return model


def answer(model: JointModel, precision: Precision, restore: bool = False) -> Prediction:
    return search(TiledModel(model, CPU, precision=precision), PIXELS, restore, "a.png")


@pytest.mark.parametrize("restore", [False, True])
def test_an_empty_answer_is_computed_again(restore: bool) -> None:
    model = network(LOST)
    tiled = TiledModel(model, CPU, precision=BFLOAT16)
    image = torch.from_numpy(PIXELS).permute(2, 0, 1)[None] / 255
    assert float(tiled.segment(image).max()) < 0.5  # what bfloat16 says by itself
    full, found = answer(model, FLOAT32, restore), answer(model, BFLOAT16, restore)
    assert full.mask.any() and full.notes == () and full.precision == "float32"
    assert np.array_equal(found.probability, full.probability)
    assert found.precision == "float32" and found.notes == (AGAIN + "found nothing",)


def test_an_answer_that_is_not_finite_is_computed_again() -> None:
    model = network(INFINITE)
    image = torch.from_numpy(PIXELS).permute(2, 0, 1)[None] / 255
    assert not torch.isfinite(TiledModel(model, CPU, precision=BFLOAT16).segment(image)).all()
    full, found = answer(model, FLOAT32), answer(model, BFLOAT16)
    assert np.isfinite(found.fine).all() and np.array_equal(found.fine, full.fine)
    assert found.precision == "float32" and found.notes == (AGAIN + "gave an answer that is not finite",)


def test_an_answer_of_half_precision_stays_where_it_is_one() -> None:
    model = network(0.0)
    full, found = answer(model, FLOAT32), answer(model, BFLOAT16)
    assert found.mask.any() and found.precision == "bfloat16" and found.notes == ()
    assert 0 < np.abs(found.fine - full.fine).max() < 0.2


def test_an_answer_that_float32_does_not_have_either() -> None:
    model = network(0.0)
    with torch.no_grad():
        model.seg.reduce.bias.fill_(float("nan"))
    for precision in (FLOAT32, BFLOAT16):
        with pytest.raises(UserError, match=r"a\.png: the network's answer in float32 is not finite"):
            answer(model, precision)
    with torch.no_grad():
        model.seg.reduce.bias.fill_(-1e4)
    empty = answer(model, FLOAT32)
    assert not empty.mask.any() and empty.notes == ()


def test_the_line_about_a_photograph_says_so(tiny_weights: Path, tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    command = ["predict.py", "a.png", "--weights", tiny_weights, "--threshold", "0.9999", "--overwrite"]
    for precision, again in (("bfloat16", True), ("float32", False)):
        outcome = run_here(*command, "--precision", precision, cwd=tmp_path)
        assert outcome.code == 0 and (f"; {AGAIN}found nothing\n" in outcome.out) == again, outcome
