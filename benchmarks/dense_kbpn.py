"""KBPN as the papers write it: the kernel as maps of image size, one blur for each sample, plain means.

The yardstick of the benchmarks and the oracle of the tests for models.sr.kbpn. It shares the weights and the
ordinary layers of a network, and does in full what that avoids: 441-channel maps of the spatially constant kernel
are convolved at LR size in every modulation and at HR size in every kernel corrector, and the correctors' last
convolution is computed everywhere before its mean is taken (T. Yoshida et al., arXiv 2302.08478).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.records import Restored
from models.sr.kbpn import KBPN, BackProjectionStage
from models.sr.kernel_estimation import KernelCorrector
from models.sr.modulation import KernelModulation


class DenseKBPN(nn.Module):
    """The dense formulation with the weights of ``network``, used like it; no guard against kernel sums near 0."""

    def __init__(self, network: KBPN) -> None:
        super().__init__()
        self.network = network
        self.scale, self.feature_channels = network.scale, network.feature_channels

    def forward(self, lr: Tensor, kernel: Tensor | None = None) -> Restored:
        """Shapes as in ``KBPN.forward``."""
        side = self.network.kernel_side
        sr, state, features = dense_forward(self.network, lr, kernel)
        return Restored(sr, state.reshape(-1, 1, side, side), (features,))


def dense_forward(network: KBPN, lr: Tensor, kernel: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """The restored image [B,3,H,W], the kernel [B,k*k] and the HR features [B,stages*width,H,W]."""
    low = network.extractor(lr)
    if kernel is None:
        first = upsample_kernel(network.predictor.layers(low).mean((2, 3)), network.predictor.sides)
        state = first / first.sum(1, keepdim=True)
    else:
        state = kernel.flatten(1)
    high: list[Tensor] = []
    low_features: list[Tensor] = []
    for stage in network.each_stage():
        corrected, state = dense_stage(stage, low, lr, state, high, blind=kernel is None)
        high.append(corrected)
        if stage.down is not None and stage.modulation is not None:
            low_features.append(stage.down(torch.cat(high, 1)))
            low = modulated(stage.modulation, torch.cat(low_features, 1), state)
    features = torch.cat(high, 1)
    bicubic = F.interpolate(lr, scale_factor=network.scale, mode="bicubic", align_corners=False)
    return network.output(features) + bicubic, state, features


def dense_stage(
    stage: BackProjectionStage, low: Tensor, lr: Tensor, kernel: Tensor, high: list[Tensor], blind: bool
) -> tuple[Tensor, Tensor]:
    """Corrected features [B,width,H,W] and kernel [B,k*k] of one stage."""
    h = stage.up(low)
    t = stage.reconstruct(torch.cat([*high, h], 1))
    if blind:
        kernel = kernel + correction(stage.corrector, t, kernel)
    kernel = kernel / kernel.sum(1, keepdim=True)
    return h + stage.enlarge_error(blurred_and_sampled(t, kernel, stage.scale) - lr), kernel


def correction(corrector: KernelCorrector, image: Tensor, kernel: Tensor) -> Tensor:
    """What is added to the kernel [B,k*k], with every convolution at image size."""
    a = torch.relu(corrector.image_layers[0](image))
    for layer in corrector.image_layers[1:]:
        a = F.leaky_relu(layer(a), 0.01)
    b = constant_map(kernel, image)
    for layer in corrector.kernel_layers:
        b = F.leaky_relu(layer(b), 0.01)
    c = F.leaky_relu(corrector.merge(torch.cat([a, b], 1)), 0.01)
    c = corrector.last(F.leaky_relu(corrector.mix(c), 0.01))
    return upsample_kernel(c.mean((2, 3)), corrector.sides)


def modulated(modulation: KernelModulation, features: Tensor, kernel: Tensor) -> Tensor:
    """Spatial feature transform on the concatenation of features and kernel map."""
    z = torch.cat([features, constant_map(kernel, features)], 1)
    scale, shift = (
        branch.second(F.leaky_relu(branch.first(z), 0.1)) for branch in (modulation.scale, modulation.shift)
    )
    return features * torch.sigmoid(scale) + shift


def constant_map(kernel: Tensor, like: Tensor) -> Tensor:
    """Kernel [B,k*k] as a map [B,k*k,H,W] of the size of ``like``."""
    return kernel[:, :, None, None].expand(-1, -1, *like.shape[2:]).contiguous()


def upsample_kernel(values: Tensor, sides: tuple[int, int]) -> Tensor:
    """[B,e*e] -> [B,k*k] by bicubic interpolation."""
    estimated, side = sides
    square = values.reshape(-1, 1, estimated, estimated)
    return F.interpolate(square, (side, side), mode="bicubic", align_corners=False).flatten(1)


def blurred_and_sampled(image: Tensor, kernel: Tensor, scale: int) -> Tensor:
    """Correlate sample by sample, its colours as a batch, at every ``scale``-th pixel."""
    side = round(kernel.shape[1] ** 0.5)
    samples = [
        F.conv2d(sample[:, None], taps.reshape(1, 1, side, side), stride=scale, padding=side // 2)  # [3,1,h,w]
        for sample, taps in zip(image, kernel, strict=True)
    ]
    return torch.stack(samples).squeeze(2)
