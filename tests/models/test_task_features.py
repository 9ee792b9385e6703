"""What the encoders of segmentation networks see: the same maps alone and beside the logits."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.errors import ArgumentError
from contracts.records import Segmented
from engine.build.models import build_model
from models.base import Segmentation
from models.dsrl import DSRL
from models.joint import JointModel
from models.seg import SEG_NETWORKS
from models.sr.bicubic import Bicubic
from tests.helpers.runs import tiny
from tests.helpers.small_networks import SMALL_DSRL, SMALL_SEG


class Plain(Segmentation):
    """A network without an encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 1, 1)

    def forward(self, x: Tensor, kernel: Tensor | None = None) -> Segmented:
        return Segmented(self.layer(x))


@pytest.mark.parametrize("name", sorted(SEG_NETWORKS))
def test_in_training_a_network_hands_on_what_its_encoder_sees(name: str) -> None:
    torch.manual_seed(0)
    network = SEG_NETWORKS[name](**SMALL_SEG[name]).train()
    x = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(2)
    handed_on = network(x).encoded
    torch.manual_seed(2)  # for what is dropped
    features = network.task_features(x)
    assert handed_on is not None and len(handed_on) == len(features) >= 2
    for one, other in zip(handed_on, features, strict=True):
        assert torch.equal(one, other) and one.requires_grad
    assert [one.shape[2] for one in features] == sorted((one.shape[2] for one in features), reverse=True)
    network.eval()
    assert network(x).encoded is None
    assert all(
        torch.equal(one, other) for one, other in zip(network.task_features(x), network.task_features(x), strict=True)
    )


def test_a_model_prepares_the_image_as_for_segmenting() -> None:
    torch.manual_seed(0)
    network = SEG_NETWORKS["fpn"](**SMALL_SEG["fpn"]).eval()
    model = JointModel(Bicubic(4), network)
    image = torch.rand(1, 3, 40, 33, generator=torch.Generator().manual_seed(1))
    mean, variance = image.mean((2, 3), keepdim=True), image.var((2, 3), correction=0, keepdim=True)
    prepared = F.pad((image - mean) / (variance + 1e-5).sqrt(), (0, 31, 0, 24), mode="replicate")
    for found, expected in zip(model.task_features(image), network.encoder(prepared), strict=True):
        torch.testing.assert_close(found, expected)


def test_padding_and_handover_keep_what_is_handed_on() -> None:
    model = build_model(tiny(Path("nowhere"), "joint:handover=true")).train()
    lr = torch.rand(2, 3, 9, 10, generator=torch.Generator().manual_seed(1))
    output = model(lr)
    assert output.logits.shape == (2, 1, 36, 40) and output.encoded is not None
    alone = copy.deepcopy(model).task_features(output.sr)  # zero at the start, the handover changes nothing
    for one, other in zip(output.encoded, alone, strict=True):
        torch.testing.assert_close(one, other)


def test_networks_without_an_encoder_are_named() -> None:
    with pytest.raises(ArgumentError, match="^Plain has no encoder"):
        Plain().task_features(torch.zeros(1, 3, 8, 8))
    with pytest.raises(ArgumentError, match="^Plain has no encoder"):
        JointModel(Bicubic(4), Plain()).task_features(torch.zeros(1, 3, 8, 8))
    with pytest.raises(ArgumentError, match="^DSRL has no encoder"):
        DSRL(**SMALL_DSRL).task_features(torch.zeros(1, 3, 8, 8))
