"""Gradients of normalisation, which reach the restored image, against the formula in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.normalisation import build_normalisation


def formula(image: Tensor) -> Tensor:
    mean, variance = image.mean((2, 3), keepdim=True), image.var((2, 3), correction=0, keepdim=True)
    return (image - mean) / (variance + 1e-5).sqrt()


@pytest.mark.parametrize("name", ["instance", "local"])
@pytest.mark.parametrize("samples", [1, 2])
def test_the_layout_of_a_gradient_does_not_matter(name: str, samples: int) -> None:
    """torch's own is wrong for one sample whose gradient comes channels last."""
    generator = torch.Generator().manual_seed(0)
    image, gradient = torch.rand(2, samples, 3, 16, 16, generator=generator)
    exact = image.double().requires_grad_()
    (expected,) = torch.autograd.grad(formula(exact), exact, gradient.double())
    for layout in (torch.contiguous_format, torch.channels_last):
        source = image.contiguous(memory_format=layout).requires_grad_()
        normalised = build_normalisation(name, 16)(source)
        (found,) = torch.autograd.grad(normalised, source, gradient.contiguous(memory_format=layout))
        torch.testing.assert_close(normalised.double(), formula(exact), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)
