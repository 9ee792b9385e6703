"""Refinement of a coarse map of cracks by another source: the geometric mean of both, high where they agree.

A map learnt from image labels says roughly where cracks are, and little of their outline. ``Darkness`` knows what every
crack is, thin and darker than its surroundings, and not which of such structures are cracks.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.precision import wide_type

REACH = 8.0  # standard deviation in pixels of the neighbourhood that a response speaks for
GAIN = 4.0  # on its mean probability there, as it consists of scattered peaks (the product is cut at 1)
SIDE = 25  # in pixels; wider structures are no crack
SMOOTHING = 2.0  # of the image before, standard deviation in pixels
LEVEL = 0.8  # middle of the sigmoid that makes a probability of darkness, in standard deviations of the image
SOFTNESS = 0.2  # width of this sigmoid, in the same unit


def geometric_mean(logits: Tensor, others: Tensor) -> Tensor:
    """The logits of the geometric mean of two probabilities, in float32 or better.

    Args:
        logits: of one probability.
        others: logits of the other one, of the same shape.
    """
    wide = wide_type(logits)
    log_mean = 0.5 * (F.logsigmoid(logits.to(wide)) + F.logsigmoid(others.to(wide)))
    return log_mean.exp().logit(eps=1e-7)


def gaussian_blur(x: Tensor, sigma: float) -> Tensor:
    """Gaussian blur that reaches 3 sigma, border replicated; both axes one after the other.

    Args:
        x: [B,1,H,W].
        sigma: standard deviation in pixels.
    """
    reach = round(3 * sigma)
    distance = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    weights = torch.exp(-0.5 * (distance / sigma) ** 2)
    weights = weights / weights.sum()
    down = F.conv2d(F.pad(x, (0, 0, reach, reach), mode="replicate"), weights.view(1, 1, -1, 1))
    return F.conv2d(F.pad(down, (reach, reach, 0, 0), mode="replicate"), weights.view(1, 1, 1, -1))


def black_hat(x: Tensor, side: int) -> Tensor:
    """Closing by a square minus the image: at least 0, high in narrower dark structures.

    Args:
        x: [B,1,H,W].
        side: of the square in pixels, odd.
    """
    margin = side // 2
    dilated = F.max_pool2d(x, side, stride=1, padding=margin)
    return -F.max_pool2d(-dilated, side, stride=1, padding=margin) - x


class Darkness(nn.Module):
    """Map of logits [B,1,H,W] and the normalised image [B,3,H,W] it was made of -> refined logits; nothing is learnt.

    Its constants were chosen on khanhha_mini_val.
    """

    def forward(self, logits: Tensor, image: Tensor) -> Tensor:
        """Refine a map.

        Args:
            logits: [B,1,H,W].
            image: the normalised image [B,3,H,W] that they were made of.

        Returns:
            Logits [B,1,H,W] in float32 or better.
        """
        wide = wide_type(logits)
        region = (GAIN * gaussian_blur(logits.to(wide).sigmoid(), REACH)).clamp(max=1).logit(eps=1e-7)
        grey = gaussian_blur(image.to(wide).mean(1, keepdim=True), SMOOTHING)
        dark = (black_hat(grey, SIDE) - LEVEL) / SOFTNESS
        return geometric_mean(region, dark)
