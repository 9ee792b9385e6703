"""KBPN's SR loss and the pixel weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from contracts.errors import UserError
from degradations.blur import blur
from degradations.resize import bicubic_downsample
from losses.sr import REFERENCE_WEIGHTS, KBPNLoss
from losses.weights import crack_oriented, distance_on_device, distance_to_crack, downsample_weight, fail_oriented
from metrics import image_quality
from tools.parity.functions import check_sr_losses


def pieces(size: int = 2, side: int = 24, kernel_side: int = 5) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = {"sr": (3, side, side), "hr": (3, side, side), "lr": (3, side // 4, side // 4)}
    tensors = {
        name: torch.rand(size, *shape, generator=generator, dtype=torch.float64) for name, shape in shapes.items()
    }
    for name in ("kernel", "true_kernel"):
        taps = torch.rand(size, 1, kernel_side, kernel_side, generator=generator, dtype=torch.float64)
        tensors[name] = taps / taps.sum(dim=(2, 3), keepdim=True)
    return tensors


def test_reference_numbers_subset(root: Path) -> None:
    data = np.load(root / "tests/fixtures/sr_losses.npz")
    sr, hr, lr = (torch.from_numpy(data[name] / 65535.0) for name in ("sr", "hr", "lr"))
    kernel, true_kernel = (torch.from_numpy(data[name]) for name in ("kernel_normalised", "true_kernel"))
    loss = KBPNLoss(REFERENCE_WEIGHTS, border="zero", kernel_term="mean")
    np.testing.assert_allclose(loss(sr, kernel, hr, lr, true_kernel).total, data["loss"], atol=1e-6)
    np.testing.assert_allclose(image_quality.psnr(sr, hr), data["psnr"], atol=1e-4)
    np.testing.assert_allclose(image_quality.ssim(sr, hr), data["ssim"], atol=1e-5)
    weights = fail_oriented(torch.from_numpy(data["prob"]), torch.from_numpy(data["mask"]), amplitude=1.0)
    np.testing.assert_allclose(weights, data["fail_oriented_m1"], atol=1e-6)


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_reference_numbers_full(shared: Path, dtype: torch.dtype, limit: float) -> None:
    for name, ours, expected in check_sr_losses(np.load(shared / "parity/sr_losses.npz"), dtype):
        np.testing.assert_allclose(ours, expected, atol=limit, rtol=0, err_msg=name)


def test_default_is_the_stated_sum() -> None:
    p = pieces()
    again = bicubic_downsample(blur(p["sr"], p["kernel"], "reflect"), 4)
    image = (p["sr"] - p["hr"]).abs().mean(dim=(1, 2, 3))
    lr = (again - p["lr"]).abs().mean(dim=(1, 2, 3))
    kernel = (p["kernel"] - p["true_kernel"]).square().sum(dim=(1, 2, 3))
    report = KBPNLoss()(**p)
    torch.testing.assert_close(report.total, 0.4 * image + 0.4 * lr + 0.2 * kernel)
    torch.testing.assert_close(report.terms, {"sr_image": image, "sr_lr": lr, "sr_kernel": kernel})


def test_perfect_restoration_costs_nothing() -> None:
    p = pieces()
    p["sr"], p["kernel"] = p["hr"], p["true_kernel"]
    p["lr"] = bicubic_downsample(blur(p["hr"], p["true_kernel"], "reflect"), 4)
    assert KBPNLoss()(**p).total.abs().max() < 1e-6  # the loss blurs by FFT: rounding remains


def test_kernel_is_really_supervised() -> None:
    p = pieces()
    p["kernel"].requires_grad_()
    KBPNLoss((0, 0, 1))(**p).total.sum().backward()
    torch.testing.assert_close(p["kernel"].grad, 2 * (p["kernel"] - p["true_kernel"]).detach())


def test_network_without_kernel_has_the_image_term_alone() -> None:
    p = pieces() | {"kernel": None}
    report = KBPNLoss()(**p)
    torch.testing.assert_close(report.total, (p["sr"] - p["hr"]).abs().mean(dim=(1, 2, 3)))
    assert list(report.terms) == ["sr_image"]


def test_gradient_and_split_batch() -> None:
    p = pieces(side=12, kernel_side=3)
    loss = KBPNLoss()
    assert torch.autograd.gradcheck(
        lambda sr, kernel: loss(sr, kernel, p["hr"], p["lr"], p["true_kernel"]).total,
        (p["sr"].requires_grad_(), p["kernel"].requires_grad_()),
    )
    halves = [loss(**{name: value[i : i + 1] for name, value in p.items()}).total for i in range(2)]
    torch.testing.assert_close(torch.cat(halves), loss(**p).total, atol=1e-14, rtol=0)


def test_autocast_changes_nothing() -> None:
    p = {name: value.float() for name, value in pieces().items()}
    expected = KBPNLoss()(**p).total
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(KBPNLoss()(**p).total, expected)
        assert KBPNLoss()(**p | {"sr": p["sr"].bfloat16()}).total.dtype == torch.float32


def test_pixel_weights_multiply_and_are_reduced_each() -> None:
    p = pieces()
    a, b = (torch.rand(2, 1, 24, 24, dtype=torch.float64) + 1 for _ in range(2))
    again = bicubic_downsample(blur(p["sr"], p["kernel"], "reflect"), 4)
    report = KBPNLoss()(**p, pixel_weights=[a, b])
    image = ((p["sr"] - p["hr"]).abs() * a * b).mean(dim=(1, 2, 3))
    lr = ((again - p["lr"]).abs() * downsample_weight(a, 4) * downsample_weight(b, 4)).mean(dim=(1, 2, 3))
    torch.testing.assert_close(report.terms["sr_image"], image)
    torch.testing.assert_close(report.terms["sr_lr"], lr)


@pytest.mark.parametrize(
    "arguments",
    [
        {"weights": (0.4, 0.4, 0, 2)},
        {"weights": (0.4, 0.4)},
        {"weights": (0.4, float("nan"), 0.2)},
        {"weights": (-1, 1, 1)},
        {"weights": (0, 0, 0)},
        {"border": "mirror"},
        {"kernel_term": "max"},
    ],
)
def test_wrong_arguments(arguments: dict) -> None:
    with pytest.raises(UserError, match="SR loss"):
        KBPNLoss(**arguments)


def test_wrong_shapes() -> None:
    p = pieces()
    with pytest.raises(ValueError, match="kernel side"):
        KBPNLoss()(**p | {"true_kernel": torch.rand(2, 1, 7, 7)})
    with pytest.raises(ValueError, match="multiple"):
        KBPNLoss()(**p | {"lr": p["lr"][..., :5]})
    with pytest.raises(ValueError, match="differ in shape"):
        KBPNLoss()(**p | {"sr": p["sr"][..., :20]})


def test_reduction_is_the_mean_of_the_four_central_pixels() -> None:
    weight = torch.arange(64.0).view(1, 1, 8, 8)
    expected = (weight[..., 1::4, 1::4] + weight[..., 1::4, 2::4] + weight[..., 2::4, 1::4]) / 4
    expected = expected + weight[..., 2::4, 2::4] / 4
    torch.testing.assert_close(downsample_weight(weight, 4), expected)
    with pytest.raises(ValueError, match="multiples of the scale 3"):
        downsample_weight(weight, 3)


def test_crack_oriented_weights() -> None:
    mask = torch.zeros(2, 1, 5, 7)
    mask[0, 0, 2, 3] = 1
    distance = distance_to_crack(mask)
    expected = ndimage.distance_transform_edt(mask[0, 0].numpy() == 0)
    np.testing.assert_allclose(distance[0, 0], expected, atol=1e-6)
    assert (distance[1] == 0).all()
    weights = crack_oriented(distance, amplitude=0.5)
    assert weights[0, 0, 2, 3] == 2 and (weights[1] == 2).all()
    assert float(weights[0, 0, 2, 5]) == pytest.approx(2 * np.exp(-1.0))


def test_fail_oriented_weights_carry_no_gradient() -> None:
    prob = torch.tensor([[[[0.0, 1.0], [1.0, 0.25]]]], requires_grad=True)
    mask = torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]])
    weights = fail_oriented(prob, mask, amplitude=2.0)
    assert not weights.requires_grad
    torch.testing.assert_close(weights, torch.exp(torch.tensor([[[[0.0, 0.0], [2.0, 1.5]]]])))


@pytest.mark.parametrize("sides", [(9, 13), (40, 7), (1, 5)])
def test_distance_to_crack_on_another_device_is_scipys(sides: tuple[int, int]) -> None:
    mask = torch.rand(5, 1, *sides, generator=torch.Generator().manual_seed(0)) < 0.05
    mask[0], mask[1] = False, False
    mask[1, 0, 0, -1] = True
    torch.testing.assert_close(distance_on_device(mask), distance_to_crack(mask.float()), rtol=1e-6, atol=0)
