"""HRNetV2 (Wang et al., "Deep High-Resolution Representation Learning", TPAMI 2020): parallel resolutions.

Unlike timm's network of that name, low resolutions are enlarged bilinearly with aligned corners, and to
the size of the branch they join, so that images of any size fit. The tensors carry timm's names (those of
the original release), so that ImageNet weights load as they are.
"""

from __future__ import annotations

import torch.nn.functional as F
from timm.models.resnet import BasicBlock, Bottleneck
from torch import Tensor, nn

from contracts.errors import ArgumentError
from models.encoders.timm_encoders import download, load_features, read_file
from models.layers import upsample_aligned

STEM, FIRST = 64, 256
BLOCKS = 4
MODULES = {2: 1, 3: 4, 4: 3}  # modules in the stages of 2, 3 and 4 branches


def convolution(channels: int, out_channels: int, stride: int = 1, side: int = 3, relu: bool = True) -> nn.Sequential:
    """Convolution, batch norm and, if asked for, ReLU.

    Args:
        channels: of the input.
        out_channels: of the output.
        stride: the size is divided by it, rounded up.
        side: of the kernel, odd.
        relu: whether a ReLU follows.
    """
    layers = [
        nn.Conv2d(channels, out_channels, side, stride, padding=side // 2, bias=False),
        nn.BatchNorm2d(out_channels),
    ]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


def _path(source: int, target: int, widths: list[int]) -> nn.Module:
    """What a branch's map goes through before it joins another: a projection, or a chain of halvings."""
    if source == target:
        return nn.Identity()
    if source > target:
        return convolution(widths[source], widths[target], side=1, relu=False)
    halvings = [convolution(widths[source], widths[source], 2) for _ in range(target - source - 1)]
    return nn.Sequential(*halvings, convolution(widths[source], widths[target], 2, relu=False))


class ExchangeModule(nn.Module):
    """Four basic blocks on every branch, then each branch becomes the sum of all of them, brought to its size."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        count = range(len(widths))
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width, width) for _ in range(BLOCKS))) for width in widths
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_path(source, target, widths) for source in count) for target in count
        )

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        """Maps of halving size, [B,width,h,w] -> maps of the same shapes."""
        maps = [blocks(branch) for blocks, branch in zip(self.branches, branches, strict=True)]
        return [self._join(maps, target) for target in range(len(maps))]

    def _join(self, maps: list[Tensor], target: int) -> Tensor:
        """Sum of all maps at the size of branch ``target``."""
        projected = [layer(branch) for layer, branch in zip(self.fuse_layers[target].children(), maps, strict=True)]
        lower = [upsample_aligned(branch, maps[target].shape[2:]) for branch in projected[target + 1 :]]
        total = sum([*projected[: target + 1], *lower])
        assert isinstance(total, Tensor)  # of one map or more
        return F.relu(total)


class HRNet(nn.Module):
    """Image [B,3,H,W] of any size -> four maps at strides 4, 8, 16, 32 (sizes rounded up).

    Args:
        width: channels of the finest map; the others have 2, 4 and 8 times as many (``channels``).
        pretrained: "none", "imagenet" (downloaded by timm, for its widths) or a file with timm's names.

    Raises:
        ArgumentError: for a width below 1, and for weights that cannot be had or do not fit.
    """

    def __init__(self, width: int = 48, pretrained: str = "none") -> None:
        super().__init__()
        if width < 1:
            raise ArgumentError(f"width {width} must be at least 1 (48 is the authors')")
        self.channels = [width * 2**level for level in range(4)]
        self.conv1, self.bn1 = nn.Conv2d(3, STEM, 3, 2, padding=1, bias=False), nn.BatchNorm2d(STEM)
        self.conv2, self.bn2 = nn.Conv2d(STEM, STEM, 3, 2, padding=1, bias=False), nn.BatchNorm2d(STEM)
        shortcut = convolution(STEM, FIRST, side=1, relu=False)
        more = (Bottleneck(FIRST, STEM) for _ in range(BLOCKS - 1))
        self.layer1 = nn.Sequential(Bottleneck(STEM, STEM, downsample=shortcut), *more)
        lower = nn.Sequential(convolution(FIRST, self.channels[1], 2))
        self.transition1 = nn.ModuleList([convolution(FIRST, width), lower])
        self.stage2 = self.stage(2)
        self.transition2 = self.new_branch(2)
        self.stage3 = self.stage(3)
        self.transition3 = self.new_branch(3)
        self.stage4 = self.stage(4)
        if pretrained == "imagenet":
            theirs = download(f"hrnet_w{width}", "to 'none', or width to one that timm has, such as 18, 32 or 48")
            load_features(self, theirs.state_dict(), pretrained)
        elif pretrained != "none":
            load_features(self, read_file(pretrained), pretrained)

    def stage(self, branches: int) -> nn.Sequential:
        """The exchange modules of the stage with this number of branches."""
        return nn.Sequential(*(ExchangeModule(self.channels[:branches]) for _ in range(MODULES[branches])))

    def new_branch(self, branch: int) -> nn.ModuleList:
        """A branch at half the lowest resolution so far; the others pass."""
        halved = nn.Sequential(convolution(self.channels[branch - 1], self.channels[branch], 2))
        return nn.ModuleList([*(nn.Identity() for _ in range(branch)), halved])

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.layer1(F.relu(self.bn2(self.conv2(x)), inplace=True))
        branches = self.stage2([transition(x) for transition in self.transition1])
        branches = self.stage3([*branches, self.transition2[-1](branches[-1])])
        return self.stage4([*branches, self.transition3[-1](branches[-1])])
