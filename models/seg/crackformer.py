"""CrackFormer (Liu et al., ICCV 2021, in the layout of its authors' later CrackFormer-II).

An encoder and decoder of transformer blocks that pool and unpool by remembered places, as in SegNet, and
at each of five levels a side output under an attention mask. As in the released code of Kondo & Ukita,
the last block of the three deeper encoder levels is applied twice with the same weights.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.errors import ArgumentError
from contracts.precision import at_least_float32
from contracts.records import Segmented
from models.base import Segmentation
from models.layers import conv_relu, upsample_to
from models.seg.lambda_block import TransformerBlock, group_norm
from models.seg.segnet import unpool

LEVELS = 5
WIDTH_MULTIPLE = 16
SMALLEST_SIDE = 2**LEVELS
# Channels through the blocks of each level, in units of the width; level 1 of the encoder starts with
# a convolution of the image to 1.
ENCODER = ((1, 1), (1, 2, 2), (2, 4, 4), (4, 8, 8), (8, 8, 8))
DECODER = ((1, 1, 1), (2, 2, 1), (4, 4, 4, 2), (8, 8, 8, 4), (8, 8, 8, 8))
APPLIED_TWICE = (False, False, True, True, True)


def _blocks(units: tuple[int, ...], width: int, dropout: float) -> list[nn.Module]:
    """Transformer blocks between successive numbers of channels, ``width`` to a unit."""
    pairs = itertools.pairwise(units)
    return [TransformerBlock(before * width, after * width, dropout) for before, after in pairs]


def _run(level: Iterable[Callable[[Tensor], Tensor]], x: Tensor) -> list[Tensor]:
    """The outputs of all modules of a level, each fed with the one before."""
    return list(itertools.accumulate(level, lambda maps, block: block(maps), initial=x))[1:]


class SideOutput(nn.Module):
    """What one level says about cracks: its last two maps, weighted by a mask made of all its earlier ones.

    Args:
        early: channels of the earlier maps.
        last: channels of the encoder's and decoder's last map together.
        width: channels of the mask and of the merged maps.
    """

    def __init__(self, early: int, last: int, width: int) -> None:
        super().__init__()
        self.mask = nn.Sequential(
            nn.GELU(),
            nn.Conv2d(early, width, 3, padding=1),
            group_norm(width),
            nn.Conv2d(width, width, 3, padding=1),
            group_norm(width),
            nn.Sigmoid(),
        )
        self.merge = conv_relu(last, width)
        self.to_logit = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, encoded: list[Tensor], decoded: list[Tensor]) -> Tensor:
        """All maps of the level, each [B,C,h,w], in the encoder and in the decoder -> logits [B,1,h,w]."""
        *early_encoded, last_encoded = encoded
        *early_decoded, last_decoded = decoded
        mask = self.mask(sum([*early_encoded, *early_decoded]))
        return self.to_logit(self.merge(torch.cat([last_encoded, last_decoded], 1)) * mask)


class CrackFormer(Segmentation):
    """Transformer network for crack segmentation with five side outputs.

    Ask for float32 (``train.precision``; ``evaluation.precision``, which predictions follow): its many blocks amplify
    rounding, so that before training the logits in bfloat16 are off by about a third of their standard deviation (at
    the deepest level a tenth of the positions of maxima change).

    Args:
        width: channels of the finest level, divisible by 16 (64: the authors'); deeper ones have 2, 4, 8 and 8 times as
            many.
        dropout: rate inside the transformer blocks, in training.

    Raises:
        ArgumentError: for another width, and for images below 32 pixels, which cannot be pooled five times.
    """

    multiple = 16

    def __init__(self, width: int = 64, dropout: float = 0.3) -> None:
        super().__init__()
        if width < 1 or width % WIDTH_MULTIPLE:
            raise ArgumentError(f"width {width} must be a multiple of {WIDTH_MULTIPLE} (64 is the authors')")
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU())
        self.encoder = nn.ModuleList(nn.ModuleList(_blocks(units, width, dropout)) for units in ENCODER)
        self.decoder = nn.ModuleList(nn.ModuleList(_blocks(units, width, dropout)) for units in DECODER)
        self.sides = nn.ModuleList(
            SideOutput(down[-1] * width, (down[-1] + up[-1]) * width, width)
            for down, up in zip(ENCODER, DECODER, strict=True)
        )
        self.fuse = nn.Conv2d(LEVELS, 1, 1)

    def forward(self, x: Tensor, kernel: Tensor | None = None) -> Segmented:
        """Segment a normalised image.

        Args:
            x: [B,3,H,W], sides divisible by 16 and at least 32.
            kernel: ignored.

        Returns:
            Logits [B,1,H,W] and one side output: the five levels' logits [B,5,H,W], coarsest first; all in float32 or
            better.

        Raises:
            ArgumentError: for smaller images.
        """
        if min(x.shape[2:]) < SMALLEST_SIDE:
            height, width = x.shape[2:]
            raise ArgumentError(f"crackformer needs images of {SMALLEST_SIDE} pixels or more, got {height} x {width}")
        encoded, indices, deepest = self.encode(x)
        decoded = self.decode(deepest, encoded, indices)
        sides = [
            upsample_to(at_least_float32(side(*maps)), x)
            for side, *maps in zip(self.sides, encoded, decoded, strict=True)
        ]
        side_logits = torch.cat(sides[::-1], 1)  # [B,5,H,W]
        logits = at_least_float32(self.fuse(side_logits.to(x.dtype)))
        return Segmented(logits, (side_logits,), self.handed_on([maps[-1] for maps in encoded]))

    def task_features(self, x: Tensor) -> list[Tensor]:
        """The last map of each level of the encoder, at strides 1 to 16."""
        return [maps[-1] for maps in self.encode(x)[0]]

    def encode(self, x: Tensor) -> tuple[list[list[Tensor]], list[Tensor], Tensor]:
        """All maps of each level, the places of the maxima in its 2x2 pooling, and what the last pooling left."""
        encoded, indices = [], []
        levels = [list(level.children()) for level in self.encoder]
        levels[0].insert(0, self.stem)
        for level, twice in zip(levels, APPLIED_TWICE, strict=True):
            maps = _run([*level, level[-1]] if twice else level, x)
            x, positions = F.max_pool2d(maps[-1], 2, return_indices=True)
            encoded.append(maps)
            indices.append(positions)
        return encoded, indices, x

    def decode(self, x: Tensor, encoded: list[list[Tensor]], indices: list[Tensor]) -> list[list[Tensor]]:
        """All maps of each level, made from the coarsest to the finest, in the order of ``encoded``."""
        decoded = []
        for level, maps, positions in zip(self.decoder[::-1], encoded[::-1], indices[::-1], strict=True):
            unpooled = unpool(x, positions, maps[-1].shape[2:])  # F.max_unpool2d cannot be exported to ONNX
            decoded.append(_run(level.children(), unpooled))
            x = decoded[-1][-1]
        return decoded[::-1]
