"""HRNet against timm's, its sizes and weights, and the object context of one class."""

from __future__ import annotations

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn

from contracts.errors import UserError
from models.encoders import hrnet
from models.encoders.hrnet import HRNet
from models.reference_keys import load_reference
from models.seg.hrnet_ocr import HRNetOCR, ObjectContext
from tests.helpers.network_checks import checkpoint

SMALL = {"width": 4, "pixel_channels": 16, "context_channels": 8}


@pytest.fixture(scope="module")
def theirs() -> nn.Module:
    """timm's HRNet-W18 with random weights and statistics."""
    torch.manual_seed(0)
    network = timm.create_model("hrnet_w18").eval()
    for name, buffer in network.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    return network


@pytest.fixture(scope="module")
def weights(theirs: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of its weights."""
    path = tmp_path_factory.mktemp("hrnet") / "w18.pth"
    torch.save(theirs.state_dict(), path)
    return str(path)


@torch.no_grad()
def test_equals_timm_apart_from_the_enlargement(
    theirs: nn.Module, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nearest neighbours, as timm enlarges, the four maps are timm's; with ours they are not."""
    ours, x = HRNet(18, pretrained=weights).eval(), torch.randn(1, 3, 64, 96)
    stem = theirs.act2(theirs.bn2(theirs.conv2(theirs.act1(theirs.bn1(theirs.conv1(x))))))
    expected = theirs.stages(stem)
    assert not torch.allclose(ours(x)[0], expected[0], rtol=1e-2)
    monkeypatch.setattr(hrnet, "upsample_aligned", lambda y, size: F.interpolate(y, size=size))
    for one, other in zip(ours(x), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(64, 32), (35, 50), (33, 1)])
@torch.no_grad()
def test_any_size_is_halved_upwards(size: tuple[int, int]) -> None:
    network, x = HRNetOCR(**SMALL).eval(), torch.randn(1, 3, *size)
    for level, feature in enumerate(network.backbone(x)):
        stride = 4 * 2**level
        assert feature.shape == (1, 4 * 2**level, *(-(-side // stride) for side in size))
    assert network(x).logits.shape == (1, 1, *size)


@torch.no_grad()
def test_context_of_one_class_is_attention_to_one_region() -> None:
    """Against the general form: attention weights over regions, a map of the context, concatenation."""
    torch.manual_seed(0)
    part = ObjectContext(6, 4, dropout=0.0).double().eval()
    pixels, logits = torch.randn(2, 6, 5, 7).double(), torch.randn(2, 1, 5, 7).double()
    spatial = (logits.flatten(2).exp() / logits.flatten(2).exp().sum(-1, keepdim=True)).unflatten(2, (5, 7))
    region = (pixels * spatial).sum((2, 3), keepdim=True)
    attention = torch.randn(2, 1, 5, 7).double().softmax(1)  # over the one region, whatever the similarity
    context = part.up(attention * part.down(region))
    joined = part.finish(part.merge(torch.cat([context, pixels], 1)))
    torch.testing.assert_close(part(pixels, logits), joined)


def test_training_on_a_single_image_names_the_batch_size() -> None:
    with pytest.raises(UserError, match="batch_size of 2 or more"):
        HRNetOCR(**SMALL).train()(torch.randn(1, 3, 64, 64))


def test_imagenet_weights_come_from_timm(theirs: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def create(name: str, pretrained: bool) -> nn.Module:
        asked.append((name, pretrained))
        return theirs

    monkeypatch.setattr(timm, "create_model", create)
    network, state = HRNet(18, pretrained="imagenet"), theirs.state_dict()
    assert asked == [("hrnet_w18", True)]
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


def test_weights_of_another_width_are_refused(weights: str) -> None:
    with pytest.raises(UserError, match="does not fit the encoder"):
        HRNet(4, pretrained=weights)


def test_transforms_without_influence_are_allowed_in_a_checkpoint_and_others_are_not() -> None:
    network = HRNetOCR(**SMALL)
    state = checkpoint(network, "hrnet_ocr")
    block = "segmentation_model.ocr_distri_head.object_context_block"
    state[f"{block}.f_pixel.0.weight"] = state[f"{block}.f_object.3.0.bias"] = torch.zeros(1)
    load_reference("hrnet_ocr", network, state)
    with pytest.raises(UserError, match=r"1 unexpected \(.*f_other"):
        load_reference("hrnet_ocr", network, {**state, f"{block}.f_other.0.weight": torch.zeros(1)})
