"""Refinement of coarse maps by darkness, against SciPy, OpenCV and a drawn crack."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from scipy import ndimage

from models.seg.refinement import Darkness, black_hat, gaussian_blur
from models.seg.unet_encoder import EncoderUNet


def noise(height: int, width: int, channels: int = 1) -> torch.Tensor:
    return torch.randn(2, channels, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_blur_is_scipys_gaussian() -> None:
    x = noise(40, 33)
    expected = ndimage.gaussian_filter(x.numpy(), (0, 0, 4, 4), mode="nearest", truncate=3)
    torch.testing.assert_close(gaussian_blur(x, 4.0), torch.from_numpy(expected))


def test_black_hat_is_opencvs() -> None:
    x = noise(40, 33)
    for one, ours in zip(x, black_hat(x, 9), strict=True):
        expected = cv2.morphologyEx(one[0].numpy(), cv2.MORPH_BLACKHAT, np.ones((9, 9), np.uint8))
        torch.testing.assert_close(ours[0], torch.from_numpy(expected))


def test_scattered_peaks_on_a_dark_line_become_the_line() -> None:
    """A dark line of 3 px, peaks on every 12th of its pixels and a false alarm on plain ground."""
    image = torch.ones(1, 3, 96, 96)
    image[:, :, 46:49] = -4.0
    logits = torch.full((1, 1, 96, 96), -8.0)
    for column in range(6, 96, 12):
        logits[:, :, 44:51, column - 3 : column + 4] = 5.0
    logits[:, :, 8:12, 8:40] = 5.0
    found = Darkness()(logits, image)[0, 0] > 0
    assert found[46:49].all(), "the line is whole"
    assert not found[:40].any() and not found[56:].any(), "and nothing else is left"


def test_a_dark_line_that_the_map_does_not_know_is_no_crack() -> None:
    image = torch.ones(1, 3, 64, 64)
    image[:, :, 31:33] = -4.0
    assert (Darkness()(torch.full((1, 1, 64, 64), -8.0), image) < 0).all()


def test_the_network_refines_outside_training_only() -> None:
    torch.manual_seed(0)
    network = EncoderUNet("resnet18", width=0.05, darkness=True)
    x = torch.randn(2, 3, 64, 64)
    plain = EncoderUNet("resnet18", width=0.05)
    plain.load_state_dict(network.state_dict())
    torch.testing.assert_close(network.train()(x).logits, plain.train()(x).logits)
    refined, raw = network.eval()(x).logits, plain.eval()(x).logits
    torch.testing.assert_close(refined, network.darkness(raw, x))
