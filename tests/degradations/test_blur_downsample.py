"""Blur and reduction in one, against the two steps."""

from __future__ import annotations

import pytest
import torch

from contracts.errors import UserError
from degradations import blur_downsample
from degradations.blur import blur
from degradations.blur_downsample import blur_and_downsample, fast_length
from degradations.pipeline import Pipeline
from degradations.resize import bicubic_downsample

BLUR = {"type": "blur", "kernel": "anisotropic_gaussian"}


def inputs(height: int, width: int, side: int, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    kernel = torch.rand(2, 1, side, side, dtype=dtype, generator=generator)
    image = torch.rand(2, 3, height, width, dtype=dtype, generator=generator)
    return image, kernel / kernel.sum((2, 3), keepdim=True)


@pytest.mark.parametrize("border", ["reflect", "zero"])
@pytest.mark.parametrize(
    ("height", "width", "side", "scale"),
    [(48, 40, 9, 4), (20, 12, 3, 4), (12, 16, 5, 4), (36, 44, 21, 2), (64, 56, 7, 8), (15, 12, 5, 3), (9, 8, 3, 1)],
)
def test_equals_the_two_steps(height: int, width: int, side: int, scale: int, border: str) -> None:
    image, kernel = inputs(height, width, side)
    expected = bicubic_downsample(blur(image, kernel, border), scale)
    torch.testing.assert_close(blur_and_downsample(image, kernel, scale, border), expected, rtol=0, atol=1e-13)
    single = blur_and_downsample(image.float(), kernel.float(), scale, border)
    torch.testing.assert_close(single, expected.float(), rtol=0, atol=2e-6)


def test_one_kernel_serves_all() -> None:
    image, kernel = inputs(24, 28, 5)
    shared = blur_and_downsample(image, kernel[:1], 4)
    torch.testing.assert_close(shared, bicubic_downsample(blur(image, kernel[:1]), 4), rtol=0, atol=1e-13)


@pytest.mark.parametrize("kernels", [1, 3])
def test_blocks_of_a_large_batch_are_those_of_one_call(kernels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(2)
    image = torch.rand(3, 3, 24, 28, dtype=torch.float64, generator=generator)
    kernel = torch.rand(kernels, 1, 5, 5, dtype=torch.float64, generator=generator)
    expected = bicubic_downsample(blur(image, kernel), 4)
    monkeypatch.setattr(blur_downsample, "BLOCK_BYTES", 2 * 4 * image[0].numel())
    torch.testing.assert_close(blur_and_downsample(image, kernel, 4), expected, rtol=0, atol=1e-13)


def test_gradients_in_both_arguments() -> None:
    image, kernel = (one[:1, :1].requires_grad_() for one in inputs(10, 6, 3))
    assert torch.autograd.gradcheck(lambda x, k: blur_and_downsample(x, k, 2), (image, kernel))


def test_mistakes_are_named() -> None:
    image, kernel = inputs(24, 24, 5)
    with pytest.raises(UserError, match="cannot be reduced by 5"):
        blur_and_downsample(image, kernel, 5)
    with pytest.raises(UserError, match="unknown border 'wrap'"):
        blur_and_downsample(image, kernel, 4, "wrap")
    with pytest.raises(UserError, match="4x24 pixels is too small"):
        blur_and_downsample(image[:, :, :4], inputs(24, 24, 9)[1], 4)


def test_transform_lengths() -> None:
    assert [fast_length(*one) for one in ((468, 4), (244, 4), (148, 4), (1, 3))] == [468, 252, 156, 3]


@pytest.mark.parametrize("border", ["reflect", "zero"])
def test_training_pipeline_is_that_of_test_sets_up_to_rounding(border: str) -> None:
    hr = torch.rand(3, 3, 64, 48, generator=torch.Generator().manual_seed(1))
    steps = [BLUR, {"type": "downscale"}, {"type": "gaussian_noise", "sigma": 0.02}]
    names = ("a", "b", "c")
    merged = Pipeline(steps, border=border)(hr, names, seed=3)
    apart = Pipeline([{**BLUR, "probability": 0.999999}, *steps[1:]], border=border)(hr, names, seed=3)
    assert torch.equal(merged.kernel, apart.kernel) and merged.drawn == apart.drawn
    torch.testing.assert_close(merged.lr, apart.lr, rtol=0, atol=2e-6)
    assert not torch.equal(merged.lr, apart.lr), "the blur was not merged with the reduction"
