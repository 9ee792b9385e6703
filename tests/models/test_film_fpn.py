"""The pyramid modulated by its own estimate of the blur: FiLM by hand, tiles, files, training."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from contracts.records import DegradedBatch
from degradations.blur import blur_fft
from degradations.kernels import anisotropic_gaussian
from engine.predict.tiled_model import TiledModel
from engine.runtime.checkpoint import load_weights
from engine.train.stages import STAGE_SPECS, StepSchedule
from engine.train.step import Envelope, TrainStep
from losses.blur import blur_loss, kernel_moments
from losses.combo import RegionCombo
from losses.joint import JointLoss
from losses.sr import KBPNLoss
from models.joint import JointModel
from models.seg.film_fpn import BlurModulation, FilmFPN
from models.seg.fpn import FPN
from models.sr.bicubic import Bicubic
from tests.helpers.runs import run_well, tiny, train_here

SMALL = {"encoder": "plain", "width": 4, "full_resolution": True, "detail": 4}
WIDE = "degradation={preset: null, steps: [{type: blur, kernel: isotropic_gaussian, sigma: [3, 4]}, {type: downscale}]}"
FILM = "network_seg={type: film_fpn, encoder: plain, width: 8, hidden: 16}"


def image(samples: int = 2, height: int = 64, width: int = 96) -> Tensor:
    return torch.randn(samples, 3, height, width, generator=torch.Generator().manual_seed(0))


def modulated(seed: int = 0) -> FilmFPN:
    """A network whose modulation is no longer that of the beginning."""
    torch.manual_seed(seed)
    network = FilmFPN(hidden=8, **SMALL).eval()
    nn.init.normal_(network.modulate.second.weight, std=0.5)
    return network


def test_it_starts_as_the_plain_pyramid() -> None:
    torch.manual_seed(3)
    plain = FPN(**SMALL)
    torch.manual_seed(3)
    film = FilmFPN(hidden=8, **SMALL)
    for mode in (True, False):
        assert torch.equal(film.train(mode)(image()).logits, plain.train(mode)(image()).logits)
    other = FilmFPN(hidden=8, **SMALL).eval()
    load_weights(other, plain.state_dict(), "fpn", may_lack=FilmFPN.may_lack)
    assert torch.equal(other(image()).logits, plain(image()).logits)


def test_modulation_by_hand() -> None:
    """One hidden unit of the sum of the blur, 2; the first level times 1 + 2 plus 4, the second times 1 - 2 plus 1."""
    film = BlurModulation(levels=2, width=1, hidden=1)
    nn.init.ones_(film.first.weight)
    nn.init.zeros_(film.first.bias)
    film.second.weight.data = torch.tensor([[1.0], [2.0], [-1.0], [0.0]])
    film.second.bias.data = torch.tensor([0.0, 0.0, 0.0, 1.0])
    levels = [torch.full((1, 1, 2, 2), 5.0), torch.full((1, 1, 1, 1), 3.0)]
    first, second = film(levels, torch.tensor([[1.0, 0.5, 0.5, 0.0]]))
    assert first.unique().tolist() == [5 * 3 + 4] and second.unique().tolist() == [3 * -1 + 1]


def test_blur_is_in_its_range_and_changes_what_is_segmented() -> None:
    network = modulated()
    segmented = network(image())
    blur = segmented.blur
    assert blur.shape == (2, 4) and (blur[:, :2] > 0).all() and (blur[:, 2:].abs() < 1).all()
    network.estimate.second.bias.data[0] += 1.0
    assert (network(image()).logits - segmented.logits).abs().max() > 1e-3


def test_gradient_of_the_segmentation_reaches_the_estimate_and_that_of_the_blur_leaves_the_rest() -> None:
    network = modulated().train()
    segmented = network(image())
    segmented.logits.square().mean().backward(retain_graph=True)
    assert network.estimate.first.weight.grad.abs().sum() > 0
    network.zero_grad(set_to_none=True)
    segmented.blur.square().sum().backward()
    assert network.estimate.first.weight.grad.abs().sum() > 0
    assert network.modulate.first.weight.grad is None and network.lateral[0].weight.grad is None


def test_outputs_are_float32_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        segmented = modulated()(image())
    assert segmented.logits.dtype == segmented.blur.dtype == torch.float32


def test_the_joint_model_hands_the_blur_on_whatever_is_padded() -> None:
    model = JointModel(Bicubic(4), modulated(), scale=4).train()
    for height in (16, 17):  # 68 rows are padded to 96
        output = model(torch.rand(2, 3, height, 16))
        assert output.logits.shape[2] == 4 * height and output.blur.shape == (2, 4)


@torch.inference_mode()
def test_one_tile_is_the_model_itself_and_several_have_an_estimate_each() -> None:
    model = JointModel(Bicubic(4), modulated(), scale=4).eval()
    lr = torch.rand(1, 3, 40, 24, generator=torch.Generator().manual_seed(1))
    whole = model(lr).logits.sigmoid()
    one, several = (TiledModel(model, torch.device("cpu"), tile, overlap=8) for tile in (64, 16))
    torch.testing.assert_close(one.segment(one.restore(lr)[0]), whole)
    tiled = several.segment(several.restore(lr)[0])
    assert tiled.shape == whole.shape and tiled.isfinite().all() and not torch.allclose(tiled, whole)


@torch.inference_mode()
def test_exported_it_modulates_as_in_torch() -> None:
    pytest.importorskip("onnx", reason="the optional extra onnx is not installed")
    pytest.importorskip("onnxruntime", reason="the optional extra onnxruntime is not installed")
    from engine.export.onnx_model import model_of
    from engine.export.run import to_onnx

    model = JointModel(Bicubic(4), modulated(), scale=4).eval()
    exported = model_of(to_onnx(model))
    for size in ((17, 20), (21, 40)):
        lr = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1))
        torch.testing.assert_close(exported(lr).logits, model(lr).logits, rtol=1e-4, atol=1e-4)


# -- training -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "sharp", "without_blur"), [("joint", 0, 0), ("seg", 1, 1), ("seg_hr", 0, 2)])
def test_what_is_segmented_sharp_is_taught_no_blur(kind: str, sharp: int, without_blur: int) -> None:
    sigma = torch.tensor([3.0, 2.0])
    kernel = anisotropic_gaussian(sigma, sigma / 2, 10 * sigma)
    hr = torch.rand(2, 3, 64, 64)
    batch = DegradedBatch(hr[..., ::4, ::4], hr, (hr[:, :1] > 0.9).float(), kernel, ("a", "b"))
    model = JointModel(Bicubic(4), modulated(), scale=4).eval()
    module = TrainStep(model, JointLoss(RegionCombo(), KBPNLoss(), blur_weight=0.1), sharp=sharp)
    schedule = StepSchedule(1, 0, kind, STAGE_SPECS[kind], 1.0, 0.5, True, 1e-3, 1e-3)
    with torch.no_grad():
        _, terms = module(Envelope(replace(batch), schedule))
        restored = model.restore(batch.lr).sr
        estimate = model.segment(torch.cat([hr[:without_blur], restored[without_blur:]])).blur
    truth = torch.cat([torch.zeros(without_blur, 4), kernel_moments(kernel[without_blur:])])
    torch.testing.assert_close(terms["seg_blur"], blur_loss(estimate, truth).mean())


def test_blur_is_seen_in_fresh_images() -> None:
    """Noise blurred by drawn kernels: after some steps the estimate errs clearly less than the best constant."""
    torch.manual_seed(0)
    network = FilmFPN(hidden=16, encoder="plain", width=4)
    optimizer = torch.optim.Adam([*network.encoder.parameters(), *network.estimate.parameters()], lr=0.005)

    def drawn(samples: int) -> tuple[Tensor, Tensor]:
        sigma = torch.rand(2, samples) * 2.5 + 0.5
        kernel = anisotropic_gaussian(*sigma, torch.rand(samples) * 180, side=15)
        blurred = blur_fft(torch.randn(samples, 3, 64, 64), kernel, "reflect")
        return blurred / blurred.std((1, 2, 3), keepdim=True), kernel_moments(kernel)

    for _ in range(60):
        images, truth = drawn(8)
        optimizer.zero_grad()
        blur_loss(network(images).blur, truth).mean().backward()
        optimizer.step()
    images, truth = drawn(64)
    with torch.no_grad():
        error = blur_loss(network(images).blur, truth).mean()
    assert error < 0.7 * blur_loss(truth.median(0).values.expand_as(truth), truth).mean()


def test_a_training_lowers_the_term_and_its_weights_are_evaluated(tmp_path: Path) -> None:
    options = tiny(
        tmp_path,
        FILM,
        WIDE,
        "network_sr={type: bicubic}",
        "train:stages=[{name: seg_bicubic}]",
        "train:total_iter=30",
        "train:optimizer:lr=0.01",
        "loss:blur_weight=1.0",
    )
    train_here(options)
    folder = tmp_path / "experiments" / "tiny"
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    terms = [line["train/seg_blur"] for line in lines if "train/seg_blur" in line]
    assert len(terms) == 30 and np.mean(terms[-10:]) < 0.5 * np.mean(terms[:5])
    run_well("evaluate.py", "--degraded", "--weights", folder / "models" / "latest.pth", cwd=tmp_path)
    results = json.loads((folder / "results" / "results.json").read_text())
    assert "degraded" in results
