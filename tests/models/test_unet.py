"""U-Net: second names of weights in checkpoints, decoders, VGG-16's layers and weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from contracts.errors import UserError
from models.encoders.vgg import VGGEncoder, load_pretrained
from models.reference_keys import FAMILIES, convert, load_reference
from models.seg.unet import DECODERS, STEPS, UNet
from tests.helpers.network_checks import checkpoint

SMALL = 0.06


def test_every_weight_of_the_encoder_has_a_second_name(shared: Path) -> None:
    listed = json.loads((shared / "parity" / "keys" / "unet_vgg16.json").read_text())
    twice = [key for key in listed if not FAMILIES["unet"].owns(key)]
    assert len(twice) == 26 and all(".encoder." in key for key in twice)


def test_second_names_of_the_encoder_are_ignored() -> None:
    network = UNet(width=SMALL)
    state = checkpoint(network, "unet")
    state["segmentation_model.encoder.0.weight"] = torch.full((1,), torch.nan)
    state["module.segmentation_model.encoder.28.bias"] = torch.full((1,), torch.nan)
    converted = convert("unet", network, state)
    assert all(torch.equal(tensor, converted[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("decoder", ["deconv", "bilinear"])
def test_checkpoints_are_those_of_the_pixel_shuffle_decoder(decoder: str) -> None:
    state = checkpoint(UNet(width=SMALL), "unet")
    with pytest.raises(UserError, match=r"no 'center.\d.weight'.*set decoder: pixel_shuffle"):
        load_reference("unet", UNet(decoder, width=SMALL), state)


@pytest.mark.parametrize("decoder", sorted(DECODERS))
def test_decoders_double_the_sides_and_give_the_same_channels(decoder: str) -> None:
    x = torch.randn(2, 6, 5, 7)
    assert DECODERS[decoder](6, 9)(x).shape == (2, 9, 10, 14)
    segmented = UNet(decoder, width=SMALL).eval()(torch.randn(1, 3, 16, 48))
    assert segmented.logits.shape == (1, 1, 16, 48) and segmented.aux == ()


def test_pixel_shuffle_puts_four_channels_into_a_square() -> None:
    """Sub-pixel convolution by hand: channel 2i + j of four goes to row i, column j of every 2x2 square."""
    step = DECODERS["pixel_shuffle"](1, 1)
    nn.init.zeros_(step[0].weight)
    with torch.no_grad():
        step[0].bias.copy_(torch.tensor([1.0, 2.0, 3.0, -4.0]))
    assert step(torch.zeros(1, 1, 1, 2)).tolist() == [[[[1, 2, 1, 2], [3, 0, 3, 0]]]]


def test_widths_of_the_paper() -> None:
    with torch.device("meta"):
        network = UNet("deconv")
    assert network.encoder.channels == (64, 128, 256, 512, 512)
    found = [step[2].out_channels for step in (network.center, *network.steps)]
    assert found == list(STEPS)


@torch.no_grad()
def test_encoder_maps_are_timms() -> None:
    """timm's VGG-16 with the same weights, cut at the layers before each pooling."""
    torch.manual_seed(0)
    ours = VGGEncoder()
    with torch.device("meta"):  # without memory for the classifier
        theirs = timm.create_model("vgg16", features_only=True, out_indices=(0, 1, 2, 3, 4))
    state = {name.replace("features.", "features_"): tensor for name, tensor in ours.state_dict().items()}
    theirs.load_state_dict(state, assign=True)
    x = torch.randn(1, 3, 32, 48)
    for mine, expected in zip(ours(x), theirs(x), strict=True):
        torch.testing.assert_close(mine, expected)


def test_the_signal_reaches_the_logits_of_a_new_network() -> None:
    torch.manual_seed(0)
    logits = UNet(width=0.25)(torch.randn(2, 3, 64, 64)).logits
    assert 0.05 < logits.std() < 20


def test_weights_from_a_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    stored = {**VGGEncoder(SMALL).state_dict(), "pre_logits.fc1.weight": torch.zeros(1)}
    torch.save(stored, tmp_path / "vgg16.pth")
    encoder = UNet(pretrained=str(tmp_path / "vgg16.pth"), width=SMALL).encoder
    assert all(torch.equal(tensor, stored[name]) for name, tensor in encoder.state_dict().items())
    with pytest.raises(UserError, match=r"does not fit the encoder: 'features.0.weight'"):
        load_pretrained(VGGEncoder(2 * SMALL), str(tmp_path / "vgg16.pth"))
