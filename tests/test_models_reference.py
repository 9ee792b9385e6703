"""Networks against numbers of the authors' released code, through the map of checkpoint names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from contracts.errors import UserError
from models.reference_keys import FAMILIES, convert, load_reference, reference_keys
from models.seg import PSPNet
from models.sr import KBPN
from tools.parity.weights import synthesise

DATA = Path(__file__).parent / "data"
LIMITS = {torch.float64: 1e-8, torch.float32: 1e-5}


def inputs() -> tuple[Tensor, Tensor]:
    """The fixtures' low-resolution image for SR and normalised image for segmentation, float64."""
    generator = np.random.default_rng(7)
    lr = generator.random((2, 3, 16, 12))
    return torch.as_tensor(lr), torch.as_tensor(generator.standard_normal((2, 3, 64, 64)))


def expected(name: str) -> dict[str, Tensor]:
    """Sampled outputs: every seventh row and fifth column; kernels whole."""
    with np.load(DATA / f"{name}.npz") as arrays:
        return {key: torch.as_tensor(array) for key, array in arrays.items()}


def with_reference_weights(family: str, network: nn.Module) -> nn.Module:
    """The network with the made-up weights that the rule gives the authors' names."""
    own = network.state_dict()
    shapes = {reference: own[name].shape for reference, name in reference_keys(family, own).items()}
    network.double().eval()
    load_reference(family, network, synthesise(shapes))
    return network


def assert_close(ours: Tensor, theirs: Tensor) -> None:
    """Largest error within the limit of our precision, relative to the largest expected value."""
    sampled = ours if ours.shape == theirs.shape else ours[:, :, ::7, ::5]
    assert sampled.shape == theirs.shape
    assert (sampled.double() - theirs).abs().max() <= LIMITS[ours.dtype] * theirs.abs().max()


@torch.no_grad()
def check_kbpn(network: KBPN, name: str, given: bool) -> None:
    """Image and kernel in the network's present precision."""
    dtype, theirs = network.output.weight.dtype, expected(name)
    restored = network(inputs()[0].to(dtype), theirs["kernel"].to(dtype) if given else None)
    assert_close(restored.sr, theirs["sr"])
    assert_close(restored.kernel, theirs["kernel"])


def test_kbpn_of_two_stages() -> None:
    network = with_reference_weights("kbpn", KBPN(stages=2))
    assert sum(one.numel() for one in network.parameters()) == 17_860_735
    check_kbpn(network, "kbpn_x4_stage2", given=False)
    check_kbpn(network.float(), "kbpn_x4_stage2", given=False)


def test_kbpn_of_four_stages_blind_and_with_a_given_kernel() -> None:
    network = with_reference_weights("kbpn", KBPN(stages=4))
    assert sum(one.numel() for one in network.parameters()) == 61_158_563
    check_kbpn(network, "kbpn_x4_stage4", given=False)
    check_kbpn(network, "kbpn_x4_stage4_given_kernel", given=True)
    check_kbpn(network.float(), "kbpn_x4_stage4", given=False)


@torch.no_grad()
def test_pspnet_on_resnet34() -> None:
    network = with_reference_weights("pspnet", PSPNet("resnet34"))
    assert sum(one.numel() for one in network.parameters()) == 28_091_141
    theirs = expected("pspnet_resnet34")
    for dtype in LIMITS:
        segmented = network.to(dtype)(inputs()[1].to(dtype))
        assert_close(segmented.logits, theirs["logit"])
        assert_close(segmented.logits.sigmoid(), theirs["prob"])
        assert_close(segmented.aux[0], theirs["aux_prob"])


@pytest.mark.parametrize(
    ("family", "fixture", "build"),
    [
        ("kbpn", "kbpn_x4_stage2", lambda: KBPN(stages=2)),
        ("kbpn", "kbpn_x4_stage4", lambda: KBPN(stages=4)),
        ("pspnet", "pspnet_resnet34", lambda: PSPNet("resnet34")),
    ],
)
def test_names_and_shapes_are_the_released_ones(family: str, fixture: str, build, shared: Path) -> None:
    listed = json.loads((shared / "parity" / "keys" / f"{fixture}.json").read_text())
    with torch.device("meta"):
        own = build().state_dict()
    ours = {reference: list(own[name].shape) for reference, name in reference_keys(family, own).items()}
    assert ours == {key: shape for key, (shape, _) in listed.items()}


@pytest.fixture(scope="module")
def small() -> KBPN:
    """A small network and so a small checkpoint."""
    return KBPN(stages=2, width=4, kernel_side=5, estimated_side=3, corrector_width=4)


def checkpoint(network: nn.Module, family: str = "kbpn") -> dict[str, Tensor]:
    """The network's weights under the authors' names."""
    own = network.state_dict()
    return {reference: own[name] for reference, name in reference_keys(family, own).items()}


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_maps_are_one_to_one(family: str, small: KBPN) -> None:
    network = small if family == "kbpn" else PSPNet("resnet18", width=0.05)
    own = network.state_dict()
    keys = reference_keys(family, own)
    assert len(keys) == len(own) and set(keys.values()) == set(own)
    assert all(key.startswith(FAMILIES[family][0]) for key in keys)


def test_a_joint_parallel_checkpoint_loads(small: KBPN) -> None:
    state = {f"module.{key}": tensor + 1 for key, tensor in checkpoint(small).items()}
    state["module.segmentation_model.final.0.bias"] = torch.zeros(1)
    own = small.state_dict()
    for name, tensor in convert("kbpn", small, state).items():
        assert torch.equal(tensor, own[name] + 1)


def test_missing_and_unexpected_names_are_listed(small: KBPN) -> None:
    state = checkpoint(small)
    del state["sr_model.output_conv.layer.weight"]
    state["sr_model.extra"] = torch.zeros(1)
    with pytest.raises(UserError, match=r"1 missing \(sr_model.output_conv.*1 unexpected \(sr_model.extra\)"):
        load_reference("kbpn", small, state)


def test_another_shape_is_named(small: KBPN) -> None:
    state = checkpoint(small)
    state["sr_model.output_conv.layer.weight"] = torch.zeros(3, 9, 3, 3)
    with pytest.raises(UserError, match=r"output_conv.layer.weight' has shape \[3, 9,.*\[3, 8,"):
        load_reference("kbpn", small, state)
