"""Checks of networks: made-up weights through the key map, the fixture's input, outputs compared."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from contracts.errors import UserError
from models.dsrl import DSRL
from models.reference_keys import load_reference
from models.seg.blur_skip import PSPNetBlurSkip
from models.seg.crackformer import CrackFormer
from models.seg.hrnet_ocr import HRNetOCR
from models.seg.pspnet import PSPNet
from models.seg.segnet import SegNet
from models.seg.unet import UNet
from models.sr.dbpn import DBPN
from models.sr.kbpn import KBPN
from models.sr.srcnet import SrcNet
from tools.parity.verdict import Quantity
from tools.parity.weights import synthesise

GIVEN_KERNEL = "_given_kernel"
KBPN_NAME = r"kbpn_x(?P<scale>\d+)_stage(?P<stages>\d+)"


class WeightsMismatch(Exception):
    """A fixture's key list does not fit our network: a failed check, not a wrong call."""


@dataclass(frozen=True)
class NetworkCheck:
    """A family of fixtures.

    Args:
        family: name of the networks in ``models.reference_keys``.
        network: their class; groups in a fixture's name are its arguments, all others have their defaults.
        outputs: what to compare, from a network and the fixture's arrays.
    """

    family: str
    network: Callable[..., nn.Module]
    outputs: Callable[[nn.Module, Mapping[str, Tensor]], dict[str, Tensor]]

    def build(self, match: re.Match[str]) -> nn.Module:
        """The network of a fixture whose name gave ``match``."""
        return self.network(
            **{name: int(value) if value.isdigit() else value for name, value in match.groupdict().items()}
        )


def kbpn_outputs(network: nn.Module, fixture: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Blind restoration of ``lr``."""
    restored = network(fixture["lr"])
    return {"sr": restored.sr, "kernel": restored.kernel}


def kbpn_given_outputs(network: nn.Module, fixture: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Restoration of ``lr`` with the true ``kernel``."""
    restored = network(fixture["lr"], fixture["kernel"])
    return {"sr": restored.sr, "kernel": restored.kernel}


def restoration_outputs(network: nn.Module, fixture: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Restoration of ``lr`` by a network that estimates no kernel."""
    return {"sr": network(fixture["lr"]).sr}


def pspnet_outputs(network: nn.Module, fixture: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Segmentation of the normalised image ``x``."""
    segmented = network(fixture["x"])
    return {"logit": segmented.logits, "prob": segmented.logits.sigmoid(), "aux_prob": segmented.aux[0].sigmoid()}


def blur_skip_outputs(network: nn.Module, fixture: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Segmentation of the normalised image ``x`` with its blur ``kernel``."""
    segmented = network(fixture["x"], fixture["kernel"])
    return {"prob": segmented.logits.sigmoid(), "aux_prob": segmented.aux[0].sigmoid()}


def probability_outputs(network: nn.Module, fixture: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Segmentation of the normalised image ``x`` without side outputs."""
    return {"prob": network(fixture["x"]).logits.sigmoid()}


def dsrl_outputs(network: nn.Module, fixture: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The four outputs of DSRL before their enlargement; the last is the restored image once more."""
    assert isinstance(network, DSRL)
    outputs = network.outputs(fixture["x"])
    return {"out0": outputs.both[:, :1], "out1": outputs.sr, "out2": outputs.features, "out3": outputs.sr}


def crackformer_outputs(network: nn.Module, fixture: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Segmentation of the normalised image ``x`` with the five side outputs, coarsest first."""
    segmented = network(fixture["x"])
    return {"prob": segmented.logits.sigmoid(), "side_probs": segmented.aux[0].sigmoid()}


def hrnet_ocr_outputs(network: nn.Module, fixture: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Logits of the auxiliary and the main head for the normalised image ``x``: the probabilities saturate."""
    segmented = network(fixture["x"])
    main, auxiliary = segmented.logits, segmented.aux[0]
    return {"logit0": auxiliary, "logit1": main, "prob": main.sigmoid(), "aux_prob": auxiliary.sigmoid()}


NETWORK_CHECKS: dict[str, NetworkCheck] = {
    KBPN_NAME: NetworkCheck("kbpn", KBPN, kbpn_outputs),
    KBPN_NAME + GIVEN_KERNEL: NetworkCheck("kbpn", KBPN, kbpn_given_outputs),
    r"dbpn_x(?P<scale>\d+)_stage(?P<stages>\d+)": NetworkCheck("dbpn", DBPN, restoration_outputs),
    r"srcnet_sr_x(?P<scale>\d+)": NetworkCheck("srcnet", SrcNet, restoration_outputs),
    r"pspnet_(?P<encoder>resnet18|resnet34)": NetworkCheck("pspnet", PSPNet, pspnet_outputs),
    r"pspnet_blurskip": NetworkCheck("pspnet_blurskip", PSPNetBlurSkip, blur_skip_outputs),
    r"segnet": NetworkCheck("segnet", SegNet, probability_outputs),
    r"crackformer": NetworkCheck("crackformer", CrackFormer, crackformer_outputs),
    r"hrnet_w(?P<width>\d+)_ocr": NetworkCheck("hrnet_ocr", HRNetOCR, hrnet_ocr_outputs),
    r"unet_vgg16": NetworkCheck("unet", UNet, probability_outputs),
    r"dsrl_deeplab": NetworkCheck("dsrl", DSRL, dsrl_outputs),
}


def find_check(name: str) -> tuple[NetworkCheck, re.Match[str]] | None:
    """The check for a fixture's name with the match that parametrises it, or None."""
    for pattern, check in NETWORK_CHECKS.items():
        match = re.fullmatch(pattern, name)
        if match:
            return check, match
    return None


def read_keys(folder: Path, name: str) -> dict[str, list[int]]:
    """Names and shapes of the checkpoint part of a fixture; given-kernel runs share the blind one's."""
    path = folder / f"{name.removesuffix(GIVEN_KERNEL)}.json"
    try:
        return {key: shape for key, (shape, _) in json.loads(path.read_text()).items()}
    except OSError:
        raise UserError(f"no key list {path} for fixture {name}; give its folder with --keys") from None
    except (ValueError, TypeError, AttributeError):
        raise UserError(f"{path} is not a key list of the form {{name: [shape, dtype]}}") from None


def network_quantities(name: str, fixture: Mapping[str, np.ndarray], keys: Path) -> dict[torch.dtype, list[Quantity]]:
    """Compare a network's outputs in float64 and float32.

    Args:
        name: of the fixture.
        fixture: its arrays by name.
        keys: folder of key lists.

    Returns:
        The compared quantities by precision.

    Raises:
        KeyError: for a missing array.
        UserError: for a missing key list.
        WeightsMismatch: for one that does not fit our network.
    """
    matched = find_check(name)
    if matched is None:
        raise KeyError(name)
    check, match = matched
    network = check.build(match).double().eval()
    weights = synthesise(read_keys(keys, name))
    try:
        load_reference(check.family, network, weights)
    except UserError as error:
        raise WeightsMismatch(str(error)) from error
    precisions = (torch.float64, torch.float32)
    return {dtype: compare(check, network.to(dtype), fixture, dtype) for dtype in precisions}


@torch.no_grad()
def compare(
    check: NetworkCheck, network: nn.Module, fixture: Mapping[str, np.ndarray], dtype: torch.dtype
) -> list[Quantity]:
    """Run the network on the fixture's arrays in one precision."""
    tensors = {name: torch.as_tensor(array).to(dtype) for name, array in fixture.items()}
    outputs = check.outputs(network, tensors)
    return [(name, value.numpy(), fixture[name]) for name, value in outputs.items() if name in fixture]
