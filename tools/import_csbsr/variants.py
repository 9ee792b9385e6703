"""Which networks a released checkpoint holds, from the names of its tensors, and the options for them."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import UserError
from engine.options import Options
from engine.options.load import merge, parse_options, read_tree
from models.reference_keys.conversion import some

PAPER = Path(__file__).resolve().parents[2] / "options" / "paper" / "base.yml"
SR_PREFIX, SEG_PREFIX, DSRL_PREFIX = "sr_model.", "segmentation_model.", "parallel_model."


@dataclass(frozen=True)
class Known:
    """A released network.

    Args:
        mark: regular expression for the start of names that only it has; a group in it counts the network's stages.
        label: its part of the variant's name.
        options: of the network.
    """

    mark: str
    label: str
    options: dict[str, Any]


SR_KNOWN = (
    Known(r"sr_model\.back_projection_stages\.(\d+)\.up\.", "csbsr", {"type": "kbpn", "width": 128}),
    Known(r"sr_model\.up(\d+)\.", "cssr", {"type": "dbpn", "width": 64}),
    Known(r"sr_model\.rir\.", "srcnet", {"type": "srcnet", "width": 64, "groups": 10, "blocks": 20}),
)
SEG_KNOWN = (
    Known(  # before PSPNet, all of whose names it has too
        r"segmentation_model\.blur_skip\.",
        "blurskip",
        {"type": "pspnet_blurskip", "encoder": "resnet34", "pretrained": "imagenet", "width": 1.0},
    ),
    Known(
        r"segmentation_model\.psp\.",
        "pspnet",
        {"type": "pspnet", "encoder": "resnet34", "pretrained": "imagenet", "width": 1.0},
    ),
    Known(
        r"segmentation_model\.dec\d\.",
        "unet",
        {"type": "unet", "decoder": "pixel_shuffle", "pretrained": "imagenet", "width": 1.0},
    ),
    Known(r"segmentation_model\.LABlock_\d\.", "crackformer", {"type": "crackformer", "width": 64}),
    Known(
        r"segmentation_model\.ocr_distri_head\.",
        "hrnet_ocr",
        {"type": "hrnet_ocr", "width": 48, "pretrained": "imagenet"},
    ),
    Known(r"segmentation_model\.ConvEn\d\d\.", "segnet", {"type": "segnet", "width": 1.0}),
)
WHOLE_KNOWN = (
    Known(
        r"parallel_model\.up_edsr_(\d+)\.", "dsrl", {"type": "dsrl", "encoder": "resnet101", "pretrained": "imagenet"}
    ),
)
BICUBIC = Known("", "bicubic", {"type": "bicubic"})
RELEASED_STAGES, RELEASED_UP_STEPS = 4, 3
DSRL_LOSS = {"beta": 2 / 3, "affinity": 1 / 3}  # the released 0.5, 1 and 0.5 (affinity), over 1.5
# Stages of training that these SR networks have, in the released lengths; KBPN: those of the options file.
STAGES = {
    "dbpn": [{"name": "sr", "iterations": 30000}, {"name": "joint"}],
    "srcnet": [{"name": "sr", "iterations": 30000}, {"name": "joint"}],
    "bicubic": [{"name": "seg"}],
    "dsrl": [{"name": "joint"}],
}


@dataclass(frozen=True)
class Variant:
    """The networks in a checkpoint.

    Args:
        name: a short one for files, such as csbsr_pspnet.
        networks: their options by section, network_sr and network_seg, or network.
    """

    name: str
    networks: dict[str, dict[str, Any]]

    def options(self) -> Options:
        """The paper's options for these networks, following the released program but for HD95's percentile."""
        change: dict[str, Any] = {
            "name": f"released_{self.name}",
            "compat": "reference",
            "corrections": {"hd_percentile_95": True},  # as the paper reports it
            "joint": {"normalise": "instance", "clip": True},
            "wandb": {"group": "released"},
            "evaluation": {"precision": "float32"},
        }
        first = next(iter(self.networks.values()))["type"]
        if first in STAGES:
            change["train"] = {"stages": STAGES[first]}
        if first == "dsrl":
            change["loss"] = DSRL_LOSS
        tree = merge(read_tree(PAPER), change)
        sections = {"network_sr": None, "network_seg": None, **self.networks}
        return parse_options({**tree, **sections}, f"options of {self.name}")


def recognise(names: Collection[str]) -> Variant:
    """The variant that a checkpoint with these tensor names (without ``module.``) holds.

    A checkpoint without an SR network is one of a segmentation network behind bicubic enlargement.
    Raises UserError for names of neither network, and networks not known.
    """
    refuse_strays(names)
    whole = _known_network(WHOLE_KNOWN, DSRL_PREFIX, names)
    if whole is not None:
        steps = count_stages(whole.mark, names)
        suffix = "" if steps == RELEASED_UP_STEPS else f"_up{steps}"
        return Variant(f"{whole.label}{suffix}", {"network": {**whole.options, "up_steps": steps}})
    sr = _known_network(SR_KNOWN, SR_PREFIX, names) or BICUBIC
    seg = _known_network(SEG_KNOWN, SEG_PREFIX, names)
    if seg is None:
        raise UserError("holds no segmentation network (no segmentation_model.* tensors); give a joint checkpoint")
    stages = count_stages(sr.mark, names)
    sr_options = {**sr.options, "stages": stages} if stages else dict(sr.options)
    suffix = "" if stages in (0, RELEASED_STAGES) else f"_stages{stages}"
    networks = {"network_sr": sr_options, "network_seg": dict(seg.options)}
    return Variant(f"{sr.label}_{seg.label}{suffix}", networks)


def refuse_strays(names: Collection[str]) -> None:
    """Raise UserError if there are tensors that belong to neither of the two networks, nor to DSRL alone."""
    dual = bool(names) and all(name.startswith(DSRL_PREFIX) for name in names)
    strays = sorted(name for name in names if not name.startswith((SR_PREFIX, SEG_PREFIX)))
    if strays and not dual:
        raise UserError(f"0 missing, {some('unexpected', strays)}; expected sr_model.* and segmentation_model.* alone")


def _known_network(known: tuple[Known, ...], prefix: str, names: Collection[str]) -> Known | None:
    """The network whose marks are among the names, None if no name has the prefix. Raises UserError if unknown."""
    own = sorted(name for name in names if name.startswith(prefix))
    if not own:
        return None
    for network in known:
        if any(re.match(network.mark, name) for name in own):
            return network
    kinds = ", ".join(network.options["type"] for network in known)
    raise UserError(f"{some('unexpected', own)}: {prefix}* of no network known here; known: {kinds}")


def count_stages(mark: str, names: Collection[str]) -> int:
    """How many stages the names tell of, 0 for a network without stages."""
    if not re.compile(mark).groups:
        return 0
    return len({match[1] for name in names if (match := re.match(mark, name))})
