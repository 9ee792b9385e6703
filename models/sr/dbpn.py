"""DBPN, the dense Deep Back-Projection Network (Haris, Shakhnarovich, Ukita, CVPR 2018): not blind.

The super-resolution part of CSSR (Kondo & Ukita, MVA 2021), in whose form the defaults are: four stages,
5.6 M parameters, kernels 8x8 for scale 4. There is no bicubic residual: the image comes from features only.
"""

from __future__ import annotations

from torch import Tensor, nn

from contracts.errors import ArgumentError
from contracts.records import Restored
from models.base import SuperResolution
from models.checkpointing import checkpointed
from models.layers import convolve_concatenated, initialise
from models.sr.bicubic import check_sides
from models.sr.projection import DownProjection, UpProjection, activated, check_scale

SLOPE = 0.25
STAGES = range(2, 11)


class DBPN(SuperResolution):
    """Up- and down-projections in turn; each sees all earlier features of its resolution, newest first.

    Weights start Kaiming normal, PReLU slopes at 0.25.

    Args:
        scale: 2, 4 or 8.
        stages: number of up-projections, 2 to 10.
        width: channels of a stage's features.
        extractor_width: channels of the first convolution.

    Raises:
        ArgumentError: for another scale or number of stages, and for widths below 1.
    """

    supports_gradient_checkpointing = True

    def __init__(self, scale: int = 4, stages: int = 4, width: int = 64, extractor_width: int = 256) -> None:
        super().__init__()
        check_scale(scale)
        if stages not in STAGES:
            raise ArgumentError(f"stages {stages} is out of range; DBPN has {STAGES[0]} to {STAGES[-1]}")
        if width < 1 or extractor_width < 1:
            raise ArgumentError(f"width {width} and extractor_width {extractor_width} must be at least 1")
        self.scale, self.feature_channels = scale, stages * width
        self.extractor = nn.Sequential(
            activated(nn.Conv2d(3, extractor_width, 3, padding=1), SLOPE),
            activated(nn.Conv2d(extractor_width, width, 1), SLOPE),
        )
        counts = [max(1, index) for index in range(stages)]  # feature maps that enter the stage's up-projection
        self.ups = nn.ModuleList(
            UpProjection(count * width, width, scale, compress=count > 1, bias=True, slope=SLOPE) for count in counts
        )
        self.downs = nn.ModuleList(
            DownProjection(count * width, width, scale, compress=count > 1, bias=True, slope=SLOPE)
            for count in range(1, stages)
        )
        self.output = nn.Conv2d(stages * width, 3, 3, padding=1)
        initialise(self)

    def forward(self, lr: Tensor, kernel: Tensor | None = None) -> Restored:
        """Restore a low-resolution image.

        Args:
            lr: [B,3,h,w] in [0,1], h, w >= 2.
            kernel: ignored; none is estimated.

        Returns:
            sr [B,3,scale*h,scale*w], unclipped, and the features, ``stages`` times [B,width,H,W], newest first.
        """
        check_sides(lr)
        high: tuple[Tensor, ...] = (checkpointed(self.gradient_checkpointing, self.ups[0], self.extractor(lr)),)
        low_features: tuple[Tensor, ...] = ()
        for down, up in zip(self.downs, self.ups[1:], strict=True):
            low_features = (checkpointed(self.gradient_checkpointing, down, *high), *low_features)
            high = (checkpointed(self.gradient_checkpointing, up, *low_features), *high)
        return Restored(convolve_concatenated(self.output, high).to(lr.dtype), features=high)
