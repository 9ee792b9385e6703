"""Residual on the rival: equal to the network on enlargements at first, in training, evaluation and tiles."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.errors import ArgumentError, UserError
from engine.predict.tiled_model import TiledModel
from models.base import Maps
from models.joint import JointModel
from models.residual import ResidualModel
from models.seg import FPN, UNet
from models.sr import EDSR, SRVGG, Bicubic
from tests.helpers.network_checks import parameters_without_gradient
from tests.helpers.run_records import experiment, load
from tests.helpers.runs import changed, tiny, train_here

RESIDUAL = (
    "network_sr={type: srvgg, width: 4, layers: 2}",
    "network_seg={type: fpn, encoder: plain, width: 8, full_resolution: true, detail: 4}",
    "joint:connection=residual",
)


def parts(full: bool = True) -> tuple[SRVGG, FPN]:
    torch.manual_seed(0)
    return SRVGG(width=6, layers=2), FPN("resnet18", width=8, full_resolution=full, detail=4)


def lr() -> Tensor:
    return torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(1))


def woken(model: ResidualModel) -> ResidualModel:
    """The same with convolutions that are no longer zero."""
    for layer in (model.injection.at_full, model.injection.at_stride2, model.injection.at_stride4):
        if layer is not None:
            nn.init.normal_(layer.weight, std=0.2)
    return model


@pytest.mark.parametrize("full", [True, False])
def test_it_starts_equal_to_the_rival(full: bool) -> None:
    sr, seg = parts(full)
    rival = JointModel(Bicubic(), seg).eval()
    ours = ResidualModel(sr, seg).eval()
    assert torch.equal(ours(lr()).logits, rival(lr()).logits)
    assert not torch.equal(ours(lr()).sr, rival(lr()).sr)
    assert not torch.equal(woken(ours)(lr()).logits, rival(lr()).logits)


def test_latent_maps_are_those_before_the_last_convolution() -> None:
    sr, _ = parts()
    restored = sr(lr())
    expected = sr.network(lr())  # basicsr's own forward
    torch.testing.assert_close(restored.sr, expected, rtol=0, atol=1e-6)
    again = sr.network.upsampler(sr.network.body[-1](restored.latent)) + F.interpolate(lr(), scale_factor=4)
    torch.testing.assert_close(again, expected, rtol=0, atol=1e-6)
    assert restored.latent.shape == (2, sr.latent_channels, 16, 24)


@pytest.mark.parametrize("stop", [True, False])
def test_stopped_gradients_stay_out_of_restoration(stop: bool) -> None:
    for model in (woken(ResidualModel(*parts(), stop_gradient=stop)), JointModel(*parts(), stop_gradient=stop)):
        missed = parameters_without_gradient(model, model.train()(lr()).logits.square().mean())
        of_sr = [name for name, _ in model.named_parameters() if name.startswith("sr.")]
        assert [name for name in missed if name.startswith("sr.")] == (of_sr if stop else [])
        assert [name for name in missed if not name.startswith("sr.")] == []
        assert parameters_without_gradient(model, model(lr()).sr.mean()) != []
        model(lr()).sr.square().mean().backward()
        assert all(value.grad is not None for value in model.sr.parameters())


def test_a_sharp_photograph_has_nothing_beside_it() -> None:
    sr, seg = parts()
    ours, plain = woken(ResidualModel(sr, seg)).eval(), JointModel(sr, seg).eval()
    photo = torch.rand(1, 3, 40, 52)
    assert torch.equal(ours.segment(photo).logits, plain.segment(photo).logits)


def test_networks_without_latent_maps_hand_over_the_difference_alone() -> None:
    torch.manual_seed(0)
    model = woken(ResidualModel(EDSR(width=8, blocks=1), parts()[1]))
    assert model.project is None and model.injection.norm.num_features == 3
    assert parameters_without_gradient(model, model(lr()).logits.square().mean()) == []


@torch.inference_mode()
def test_tiles_are_the_whole() -> None:
    """In one tile exactly; in several as near as what the encoder sees from afar lets them be."""
    model, photo = woken(ResidualModel(*parts(), normalise="fixed")).eval(), lr()[:1]
    whole = model(photo)
    for tile, tolerance in ((64, 1e-5), (24, 0.1)):
        tiled = TiledModel(model, torch.device("cpu"), tile=tile, overlap=12)
        maps, _ = tiled.restore(photo)
        torch.testing.assert_close(maps.image, whole.sr, rtol=0, atol=1e-5)
        torch.testing.assert_close(tiled.segment(maps), whole.logits.sigmoid(), rtol=0, atol=tolerance)


@torch.inference_mode()
def test_statistics_are_those_of_the_enlargement() -> None:
    model, photo = woken(ResidualModel(*parts())).eval(), lr()[:1]
    maps, _ = model.restore_maps(photo)
    assert torch.equal(maps.looked_at, F.interpolate(photo, scale_factor=4, mode="bicubic").clamp(0, 1))
    tiled = TiledModel(model, torch.device("cpu"), tile=64)
    torch.testing.assert_close(tiled.segment(maps), model(photo).logits.sigmoid(), rtol=0, atol=1e-5)
    other = Maps(maps.image, beside=maps.beside, enlarged=maps.image)
    assert not torch.allclose(tiled.segment(other), tiled.segment(maps), atol=1e-4)


def test_trained_from_the_rival_in_one_run(tmp_path) -> None:
    """First the rival, then both networks; sizes of a training state and what changed in each part."""
    stages = "train:stages=[{name: seg_bicubic, iterations: 3}, {name: joint, iterations: 3}]"
    train_here(tiny(tmp_path, *RESIDUAL, stages, "train:total_iter=6", "logger:save_checkpoint_freq=3"))
    weights = load(experiment(tmp_path).latest)["model"]
    assert all(weights[f"injection.{name}.weight"].abs().sum() > 0 for name in ("at_full", "at_stride2", "at_stride4"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["train:sharp_fraction=0.5", "train:stages=[{name: joint}]"], "joint.connection residual more than that"),
        (["network_sr=null", "network_seg=null", "network={type: dsrl}"], "joint.connection needs network_sr"),
    ],
)
def test_what_does_not_go_with_it_is_refused(changes: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        changed("joint:connection=residual", "train:stages=[{name: joint}]", *changes)


def test_arguments_that_make_no_model_are_named() -> None:
    with pytest.raises(ArgumentError, match="UNet takes nothing beside the image"):
        ResidualModel(parts()[0], UNet(width=0.06))
    with pytest.raises(ArgumentError, match="set handover to false"):
        ResidualModel(_with_features(), parts()[1], handover=True)
    with pytest.raises(ArgumentError, match="cannot be exported"):
        ResidualModel(*parts()).named_tensors(lr())


def _with_features() -> EDSR:
    network = EDSR(width=8, blocks=1)
    network.feature_channels = 4
    return network
