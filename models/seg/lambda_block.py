"""The transformer block of CrackFormer: a lambda layer with local context, and a convolutional MLP.

Liu et al., "CrackFormer: Transformer Network for Fine-Grained Crack Detection", ICCV 2021; the attention
is the lambda layer of Bello, "LambdaNetworks: Modeling Long-Range Interactions Without Attention", ICLR 2021.
All norms are group norms with four channels to a group (fewer where four do not divide the channels).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.layers import softmax_pooling

HEADS, KEYS, WINDOW = 4, 16, 7
GROUP = 4


def channels_per_group(channels: int) -> int:
    """Four, or the largest divisor of ``channels`` among 2 and 1."""
    return math.gcd(channels, GROUP)


def group_norm(channels: int) -> nn.GroupNorm:
    """Group norm with ``channels_per_group`` channels to a group."""
    return nn.GroupNorm(channels // channels_per_group(channels), channels)


def project(channels: int, out_channels: int, bias: bool = False) -> nn.Sequential:
    """1x1 convolution, group norm."""
    return nn.Sequential(nn.Conv2d(channels, out_channels, 1, bias=bias), group_norm(out_channels))


def apply_lambdas(queries: Tensor, content: Tensor, values: Tensor, kernels: Tensor) -> Tensor:
    """Apply to every position's queries the linear map made of the content and of its surroundings.

    One channel at a time: the products of heads and keys with all C would need C times as much memory.

    Args:
        queries: [B,heads,keys,H,W].
        content: [B,keys,C].
        values: [B,C,H,W].
        kernels: [keys,1,side,side], with which values are cross-correlated (zero padding).

    Returns:
        [B,heads,C,H,W].
    """
    outputs = []
    for channel in range(values.shape[1]):
        position = F.conv2d(values[:, channel : channel + 1], kernels, padding=kernels.shape[-1] // 2)
        lambdas = position + content[:, :, channel, None, None]  # [B,keys,H,W]
        outputs.append((queries * lambdas.unsqueeze(1)).sum(2))
    return torch.stack(outputs, 2)


class LambdaAttention(nn.Module):
    """Lambda layer, [B,C,H,W] -> same shape: four heads, 16 keys, a window of 7x7 positions; C divisible by 4."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.queries = project(channels, HEADS * KEYS)
        self.keys = project(channels, KEYS)
        self.values = project(channels, channels // HEADS)
        # Drawn so that the position term of values with variance 1 has variance 1.
        spread = (KEYS * WINDOW**2) ** -0.5
        self.embedding = nn.Parameter(spread * torch.randn(KEYS, 1, 1, WINDOW, WINDOW))

    def forward(self, x: Tensor) -> Tensor:
        queries = self.queries(x).unflatten(1, (HEADS, KEYS))  # [B,heads,keys,H,W]
        values = self.values(x)
        content = softmax_pooling(self.keys(x), values)  # [B,keys,C/heads]
        return apply_lambdas(queries, content, values, self.embedding.flatten(1, 2)).flatten(1, 2)


def convolutional_mlp(channels: int, dropout: float) -> nn.Sequential:
    """Two 1x1 convolutions with a grouped 3x3 one between them, at a quarter of the channels."""
    hidden = channels // 4
    groups = hidden // channels_per_group(hidden)
    return nn.Sequential(
        *project(channels, hidden, bias=True),
        nn.Conv2d(hidden, hidden, 3, padding=1, groups=groups),
        group_norm(hidden),
        nn.GELU(),
        nn.Dropout(dropout),
        *project(hidden, channels, bias=True),
        nn.Dropout(dropout),
    )


class TransformerBlock(nn.Module):
    """[B,C,H,W] -> [B,out_channels,H,W]: attention and MLP at a quarter of the wider side's channels.

    Args:
        channels: C.
        out_channels: of the result; a quarter of the larger of both must be divisible by 4.
        dropout: rate inside the MLP, in training.
    """

    def __init__(self, channels: int, out_channels: int, dropout: float) -> None:
        super().__init__()
        inside = max(channels, out_channels) // 4
        self.reduce = project(channels, inside)
        self.attention = LambdaAttention(inside)
        self.mlp = convolutional_mlp(inside, dropout)
        self.expand = project(inside, out_channels)
        same = channels == out_channels
        self.shortcut = nn.Identity() if same else project(channels, out_channels, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        inside = F.gelu(self.reduce(x))
        inside = inside + self.attention(inside)
        inside = F.gelu(inside + self.mlp(inside))
        return F.gelu(F.gelu(self.expand(inside)) + self.shortcut(x))
