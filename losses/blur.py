"""The extent and direction of blur kernels, and a loss of estimates of them.

A blur is four numbers [B,4]: its standard deviations along and across its direction in pixels, sigma major >= sigma
minor >= 0, and cos 2a and sin 2a of the direction a, which is counter-clockwise from the right, as in
``degradations.kernels``. The double angle is the same for a and a + 180 degrees, which mean the same blur.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from contracts.precision import at_least_float32, wide_type


@torch.no_grad()
def kernel_moments(kernel: Tensor) -> Tensor:
    """The blur of kernels, from their second central moments.

    The variances along and across the direction are the eigenvalues of the covariance of the taps' positions. Wide
    Gaussians that the side cuts, and narrow ones (sigma below 0.5 px), which few taps sample, have less than they were
    drawn with. A round kernel has no direction: there it is 0 or due to rounding.

    Args:
        kernel: [B,1,k,k], not negative, sums to 1.

    Returns:
        [B,4] in float32 or better, see the module.
    """
    weight = at_least_float32(kernel)[:, 0]
    line = torch.arange(kernel.shape[-1], device=weight.device, dtype=weight.dtype) - kernel.shape[-1] // 2
    right, up = line.view(1, 1, -1), -line.view(1, -1, 1)
    x = right - (weight * right).sum((1, 2), keepdim=True)
    y = up - (weight * up).sum((1, 2), keepdim=True)
    xx, yy, xy = ((weight * product).sum((1, 2)) for product in (x * x, y * y, x * y))
    difference, twice_shared = xx - yy, 2 * xy
    root = torch.hypot(difference, twice_shared)  # of the difference of the eigenvalues
    sigmas = torch.stack([xx + yy + root, xx + yy - root], 1).div(2).clamp(min=0).sqrt()
    direction = torch.stack([difference, twice_shared], 1) / root.clamp(min=1e-12).unsqueeze(1)
    return torch.cat([sigmas, direction], 1)


def blur_loss(estimate: Tensor, truth: Tensor) -> Tensor:
    """Mean of the smooth L1 errors of the four numbers, but for the direction where there is none.

    The two errors of the direction weigh ``major - minor`` of the true blur in pixels, at most 1: nothing for a round
    kernel and for a sharp image.

    Args:
        estimate: [B,4], see the module.
        truth: [B,4], of ``kernel_moments``.

    Returns:
        [B], not negative, in float32 or better.
    """
    dtype = wide_type(estimate, truth)
    errors = F.smooth_l1_loss(estimate.to(dtype), truth.to(dtype), reduction="none")
    major, minor = truth[:, :2].to(dtype).unbind(1)
    return (errors[:, :2].sum(1) + (major - minor).clamp(max=1) * errors[:, 2:].sum(1)) / 4
