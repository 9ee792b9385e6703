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
from models.sr import KBPN
from tests.helpers.network_checks import checkpoint
from tests.helpers.runs import ROOT
from tools.parity.networks import GIVEN_KERNEL, NetworkCheck, find_check
from tools.parity.verdict import AMPLIFIED
from tools.parity.weights import synthesise

DATA = ROOT / "tests" / "fixtures"
LIMITS = {torch.float64: 1e-8, torch.float32: 1e-5}
# Fixture of a released network -> its number of parameters.
RELEASED = {
    "kbpn_x4_stage2": 17_860_735,
    "kbpn_x4_stage4": 61_158_563,
    "kbpn_x4_stage4_given_kernel": 61_158_563,
    "dbpn_x4_stage4": 5_578_142,
    "srcnet_sr_x4": 17_073_347,
    "pspnet_resnet34": 28_091_141,
    "pspnet_blurskip": 38_511_825,
    "segnet": 29_443_585,
    "unet_vgg16": 29_500_033,
    "dsrl_deeplab": 60_485_072,
    "crackformer": 4_598_827,
    "hrnet_w48_ocr": 74_103_682,
}


def inputs() -> dict[str, Tensor]:
    """The fixtures' low-resolution image for SR and normalised image for segmentation, float64."""
    generator = np.random.default_rng(7)
    lr = generator.random((2, 3, 16, 12))
    return {"lr": torch.as_tensor(lr), "x": torch.as_tensor(generator.standard_normal((2, 3, 64, 64)))}


def expected(name: str) -> dict[str, Tensor]:
    """Sampled outputs: every seventh row and fifth column, of twice as large ones half of these; kernels whole."""
    with np.load(DATA / f"{name}.npz") as arrays:
        return {key: torch.as_tensor(array) for key, array in arrays.items()}


def build(name: str) -> tuple[NetworkCheck, nn.Module]:
    """The check of a fixture and the network that it is about."""
    check, match = find_check(name)
    return check, check.build(match)


def with_reference_weights(family: str, network: nn.Module) -> nn.Module:
    """The network with the made-up weights that the rule gives the authors' names."""
    own = network.state_dict()
    shapes = {reference: own[name].shape for reference, name in reference_keys(family, own).items()}
    network.double().eval()
    load_reference(family, network, synthesise(shapes))
    return network


def assert_close(ours: Tensor, theirs: Tensor, limit: float) -> None:
    """Largest error within the limit, relative to the largest expected value."""
    far = ours.shape[-1] // 64 or 1
    sampled = ours if ours.shape == theirs.shape else ours[:, :, :: 7 * far, :: 5 * far]
    assert sampled.shape == theirs.shape
    assert (sampled.double() - theirs).abs().max() <= limit * theirs.abs().max()


@pytest.mark.parametrize("name", RELEASED)
@torch.no_grad()
def test_outputs_are_those_of_the_released_code(name: str) -> None:
    check, network = build(name)
    assert sum(one.numel() for one in network.parameters()) == RELEASED[name]
    with_reference_weights(check.family, network)
    theirs = expected(name)
    for dtype in LIMITS:
        given = {key: tensor.to(dtype) for key, tensor in {**inputs(), **theirs}.items()}
        ours = check.outputs(network.to(dtype), given)
        compared = ours.keys() & theirs.keys()
        assert compared
        for key in compared:
            wider = AMPLIFIED.get((name, key)) if dtype == torch.float32 else None
            assert_close(ours[key], theirs[key], wider or LIMITS[dtype])


@pytest.mark.parametrize("name", [name for name in RELEASED if not name.endswith(GIVEN_KERNEL)])
def test_names_and_shapes_are_the_released_ones(name: str, shared: Path) -> None:
    listed = json.loads((shared / "parity" / "keys" / f"{name}.json").read_text())
    with torch.device("meta"):
        check, network = build(name)
    own = network.state_dict()
    ours = {key: list(own[name].shape) for key, name in reference_keys(check.family, own).items()}
    owns = FAMILIES[check.family].owns
    assert ours == {key: shape for key, (shape, _) in listed.items() if owns(key)}


@pytest.fixture(scope="module")
def small() -> KBPN:
    """A small network and so a small checkpoint."""
    return KBPN(stages=2, width=4, kernel_side=5, estimated_side=3, corrector_width=4)


@pytest.mark.parametrize("name", RELEASED)
def test_maps_are_one_to_one(name: str) -> None:
    with torch.device("meta"):
        check, network = build(name)
    own = network.state_dict()
    keys = reference_keys(check.family, own)
    assert len(keys) == len(own) and set(keys.values()) == set(own)
    assert all(FAMILIES[check.family].owns(key) for key in keys)


def test_every_family_is_tested() -> None:
    assert {find_check(name)[0].family for name in RELEASED} == set(FAMILIES)


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
