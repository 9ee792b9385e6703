"""Handing the super-resolution network's features to the segmentation network beside the image."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from contracts.errors import ArgumentError
from models.layers import convolve_concatenated

HIDDEN = 16  # channels inside the head for the logits


class Handover(nn.Module):
    """What the joint model asks of a handover; ``features``: those of ``Restored``."""

    def to_image(self, features: Sequence[Tensor]) -> Tensor:
        """What to add to the normalised image, [B,3,H,W]."""
        raise NotImplementedError

    def to_logits(self, features: Sequence[Tensor]) -> Tensor:
        """What to add to the logits, [B,1,H,W]."""
        raise NotImplementedError


class FeatureHandover(Handover):
    """Two zero-initialised paths, so that a joint model with it starts out equal to one without it.

    ``to_image`` adds a 1x1 projection of the features to the normalised image; ``to_logits`` adds a small
    convolutional head of the features to the logits.

    Args:
        channels: of all features together; None (no features) raises ArgumentError.
    """

    def __init__(self, channels: int | None) -> None:
        super().__init__()
        if channels is None:
            raise ArgumentError("this SR network has no features to hand over; kbpn and dbpn have")
        self.image_path = nn.Conv2d(channels, 3, 1)
        first, last = nn.Conv2d(channels, HIDDEN, 3, padding=1), nn.Conv2d(HIDDEN, 1, 1)
        self.logit_path = nn.Sequential(first, nn.ReLU(inplace=True), last)
        for parameter in (*self.image_path.parameters(), *last.parameters()):
            nn.init.zeros_(parameter)

    def to_image(self, features: Sequence[Tensor]) -> Tensor:
        return convolve_concatenated(self.image_path, features)

    def to_logits(self, features: Sequence[Tensor]) -> Tensor:
        first, *others = self.logit_path
        assert isinstance(first, nn.Conv2d)
        logits = convolve_concatenated(first, features)
        for layer in others:
            logits = layer(logits)
        return logits
