"""Super-resolution networks of basicsr behind our interface; basicsr is imported only when one is built."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from contracts.errors import ArgumentError
from contracts.records import Restored
from models.base import SuperResolution
from models.layers import pad_to_multiple
from models.sr.bicubic import check_sides


def architecture(module: str, name: str) -> type[nn.Module]:
    """Return the class ``name`` of ``basicsr.archs.<module>``, with the compatibility alias in place."""
    import contracts.basicsr_shim  # noqa: F401

    return getattr(importlib.import_module(f"basicsr.archs.{module}"), name)


class BasicSRNetwork(SuperResolution):
    """A basicsr network as ``forward(lr, kernel=None) -> Restored`` without kernel and features.

    Args:
        network: of basicsr.
        scale: 2, 4 or 8.
        multiple: inputs are padded by replication to a multiple of it (the windows of a transformer) and the result is
            cropped back, so that any size works.
    """

    def __init__(self, network: nn.Module, scale: int, multiple: int = 1) -> None:
        super().__init__()
        self.network, self.scale, self.multiple = network, scale, multiple

    def forward(self, lr: Tensor, kernel: Tensor | None = None) -> Restored:
        """Restore a low-resolution image.

        Args:
            lr: [B,3,h,w] in [0,1].
            kernel: ignored.

        Returns:
            sr [B,3,scale*h,scale*w], unclipped.
        """
        check_sides(lr)
        height, width = lr.shape[2:]
        sr = self.network(pad_to_multiple(lr, self.multiple))
        return Restored(sr[:, :, : height * self.scale, : width * self.scale].to(lr.dtype))


class EDSR(BasicSRNetwork):
    """EDSR (Lim et al., CVPRW 2017).

    Args:
        scale: 2, 4 or 8.
        width: channels.
        blocks: number of residual blocks.
    """

    def __init__(self, scale: int = 4, width: int = 64, blocks: int = 16) -> None:
        build = architecture("edsr_arch", "EDSR")
        super().__init__(build(3, 3, num_feat=width, num_block=blocks, upscale=scale), scale)


class RCAN(BasicSRNetwork):
    """RCAN (Zhang et al., ECCV 2018).

    Args:
        scale: 2, 4 or 8.
        width: channels.
        groups: number of residual groups.
        blocks: number of residual blocks in each group.
    """

    def __init__(self, scale: int = 4, width: int = 64, groups: int = 10, blocks: int = 20) -> None:
        build = architecture("rcan_arch", "RCAN")
        network = build(3, 3, num_feat=width, num_group=groups, num_block=blocks, upscale=scale)
        super().__init__(network, scale)


class RRDBNet(BasicSRNetwork):
    """RRDBNet, the generator of ESRGAN (Wang et al., ECCVW 2018).

    Args:
        scale: 2 or 4.
        width: channels.
        blocks: number of residual-in-residual dense blocks.
        growth: channels added by each dense layer.

    Raises:
        ArgumentError: for another scale.
    """

    def __init__(self, scale: int = 4, width: int = 64, blocks: int = 23, growth: int = 32) -> None:
        if scale not in (2, 4):
            raise ArgumentError(f"rrdbnet has no scale {scale}; choose 2 or 4")
        build = architecture("rrdbnet_arch", "RRDBNet")
        network = build(3, 3, scale=scale, num_feat=width, num_block=blocks, num_grow_ch=growth)
        super().__init__(network, scale, multiple=2 if scale == 2 else 1)


class SwinIR(BasicSRNetwork):
    """SwinIR (Liang et al., ICCVW 2021), by default the light one.

    Args:
        scale: 2, 4 or 8.
        width: channels, divisible by ``heads``.
        depths: number of transformer layers in each residual group.
        heads: attention heads.
        window: side of the attention windows in pixels.

    Raises:
        ArgumentError: for a width that is not divisible by ``heads``.
    """

    def __init__(
        self, scale: int = 4, width: int = 60, depths: Sequence[int] = (6, 6, 6, 6), heads: int = 6, window: int = 8
    ) -> None:
        if width % heads:
            raise ArgumentError(f"swinir: width {width} must be divisible by heads {heads}")
        build = architecture("swinir_arch", "SwinIR")
        network = build(
            img_size=64,
            window_size=window,
            embed_dim=width,
            depths=list(depths),
            num_heads=[heads] * len(depths),
            mlp_ratio=2,
            upscale=scale,
            upsampler="pixelshuffledirect",
            resi_connection="1conv",
        )
        super().__init__(network, scale, multiple=window)


class SRVGG(BasicSRNetwork):
    """The compact network of Real-ESRGAN (Wang et al., ICCVW 2021): all layers at LR size, on the enlarged input.

    The quickest of these networks.

    Args:
        scale: 2, 4 or 8.
        width: channels.
        layers: 3x3 convolutions between the first and the last.
    """

    def __init__(self, scale: int = 4, width: int = 64, layers: int = 16) -> None:
        build = architecture("srvgg_arch", "SRVGGNetCompact")
        super().__init__(build(3, 3, num_feat=width, num_conv=layers, upscale=scale, act_type="prelu"), scale)
        self.latent_channels = width

    def forward(self, lr: Tensor, kernel: Tensor | None = None) -> Restored:
        """See ``BasicSRNetwork``; with the maps before the last convolution as ``latent``."""
        check_sides(lr)
        *layers, last = self.network.body  # type: ignore[misc,union-attr]
        latent = lr
        for layer in layers:
            latent = layer(latent)
        nearest = F.interpolate(lr, scale_factor=self.scale, mode="nearest")
        sr = self.network.upsampler(last(latent)) + nearest  # type: ignore[operator]
        return Restored(sr.to(lr.dtype), latent=latent)
