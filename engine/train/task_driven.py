"""What the stage ``sr4ir`` compares and mixes: a restored image and the true one.

Kim, Oh and Lee, "Beyond Image Super-Resolution for Image Recognition with Task-Driven Perceptual Loss" (SR4IR), CVPR
2024. Facts of their code stand in docs/training.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from losses.features import perceptual_distance
from models.base import WholeModel

SHARE = 0.5  # chance of a cell to be restored


@dataclass(frozen=True)
class TaskDriven:
    """How a restored image is compared with the true one, and mixed with it.

    Attributes:
        levels: maps of the encoder that are compared, "deepest" or "all".
        cells: of the mix, along each side.
    """

    levels: str = "deepest"
    cells: int = 8

    def distance(self, model: WholeModel, restored: Tensor, hr: Tensor) -> Tensor:
        """The task-driven perceptual loss, a scalar; its gradient reaches ``restored`` alone.

        Args:
            model: whose segmentation network looks; its weights must not ask for a gradient.
            restored: [B,3,H,W].
            hr: the true image [B,3,H,W].

        Raises:
            ArgumentError: for a network without an encoder.
        """
        chosen = slice(-1, None) if self.levels == "deepest" else slice(None)
        with torch.no_grad():
            target = model.task_features(hr)[chosen]
        return perceptual_distance(model.task_features(restored)[chosen], target)

    def mix(self, restored: Tensor, hr: Tensor) -> Tensor:
        """Each cell of a grid from one of the two images, by equal chance: their cross-quality patch mix.

        Drawn for each sample from torch's global generator on the CPU, whatever the device, which a training state
        keeps.

        Args:
            restored: [B,3,H,W].
            hr: the true image [B,3,H,W].
        """
        drawn = torch.rand(len(hr), 1, self.cells, self.cells) < SHARE
        cells = F.interpolate(drawn.float(), size=hr.shape[2:], mode="nearest").bool()
        return torch.where(cells.to(hr.device), restored, hr)
