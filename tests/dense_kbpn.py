"""KBPN as the papers write it: kernels as constant maps of image size, one blur for each sample, plain means.

The slow oracle for models.sr.kbpn; it shares the weights and the ordinary layers of a network.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.sr.kbpn import KBPN, Stage


def spread_out(kernel: Tensor, like: Tensor) -> Tensor:
    """Kernel [B,k*k] as a map [B,k*k,H,W] of the size of ``like``."""
    return kernel[:, :, None, None].expand(-1, -1, *like.shape[2:]).contiguous()


def enlarged(values: Tensor, sides: tuple[int, int]) -> Tensor:
    """[B,e*e] -> [B,k*k] by bicubic interpolation."""
    estimated, side = sides
    square = values.reshape(-1, 1, estimated, estimated)
    return F.interpolate(square, (side, side), mode="bicubic", align_corners=False).flatten(1)


def correction(corrector: nn.Module, image: Tensor, kernel: Tensor) -> Tensor:
    """What is added to the kernel, with every convolution at image size."""
    a = torch.relu(corrector.image_layers[0](image))
    for layer in corrector.image_layers[1:]:
        a = F.leaky_relu(layer(a), 0.01)
    b = spread_out(kernel, image)
    for layer in corrector.kernel_layers:
        b = F.leaky_relu(layer(b), 0.01)
    c = F.leaky_relu(corrector.merge(torch.cat([a, b], 1)), 0.01)
    c = corrector.last(F.leaky_relu(corrector.mix(c), 0.01))
    return enlarged(c.mean((2, 3)), corrector.sides)


def modulated(modulation: nn.Module, features: Tensor, kernel: Tensor) -> Tensor:
    """Spatial feature transform on the concatenation of features and kernel map."""
    z = torch.cat([features, spread_out(kernel, features)], 1)
    scale, shift = (
        branch.second(F.leaky_relu(branch.first(z), 0.1)) for branch in (modulation.scale, modulation.shift)
    )
    return features * torch.sigmoid(scale) + shift


def blurred_and_sampled(image: Tensor, kernel: Tensor, scale: int) -> Tensor:
    """Correlate at every pixel, sample by sample and channel by channel; keep each scale-th pixel."""
    side = round(kernel.shape[1] ** 0.5)
    rows = []
    for one, taps in zip(image, kernel, strict=True):
        weight = taps.reshape(1, 1, side, side)
        channels = [F.conv2d(channel[None, None], weight, padding=side // 2) for channel in one]
        rows.append(torch.cat(channels, 1))
    return torch.cat(rows)[:, :, ::scale, ::scale]


def dense_stage(
    stage: Stage, low: Tensor, lr: Tensor, kernel: Tensor, high: list[Tensor], blind: bool
) -> tuple[Tensor, Tensor]:
    """Corrected features and kernel of one stage."""
    h = stage.up(low)
    t = stage.reconstruct(torch.cat([*high, h], 1))
    if blind:
        kernel = kernel + correction(stage.corrector, t, kernel)
    kernel = kernel / kernel.sum(1, keepdim=True)
    return h + stage.enlarge_error(blurred_and_sampled(t, kernel, stage.scale) - lr), kernel


def dense_forward(network: KBPN, lr: Tensor, kernel: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The restored image [B,3,H,W] and the kernel [B,k*k]."""
    low = network.extractor(lr)
    blind = kernel is None
    if blind:
        first = enlarged(network.predictor.layers(low).mean((2, 3)), network.predictor.sides)
        state = first / first.sum(1, keepdim=True)
    else:
        state = kernel.flatten(1)
    high: list[Tensor] = []
    reduced: list[Tensor] = []
    for stage in network.stages:
        corrected, state = dense_stage(stage, low, lr, state, high, blind)
        high.append(corrected)
        if stage.down is not None:
            reduced.append(stage.down(torch.cat(high, 1)))
            low = modulated(stage.modulation, torch.cat(reduced, 1), state)
    bicubic = F.interpolate(lr, scale_factor=network.scale, mode="bicubic", align_corners=False)
    return network.output(torch.cat(high, 1)) + bicubic, state
