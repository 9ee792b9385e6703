"""One-to-one maps from the names in the authors' checkpoints to ours.

A released checkpoint of Kondo & Ukita is a flat dictionary that holds ``sr_model.*`` and
``segmentation_model.*`` together; names may carry a leading ``module.`` (data parallel).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from contracts.errors import UserError, lookup

Rules = list[tuple[str, str]]

# Our name on the left (a regular expression for the start), the authors' on the right.
KBPN_RULES: Rules = [
    (r"extractor\.", r"sr_model.feat."),
    (r"predictor\.layers\.", r"sr_model.predictor.feat_ext."),
    (r"stages\.(\d+)\.up\.compress\.", r"sr_model.back_projection_stages.\1.up.conv."),
    (r"stages\.(\d+)\.up\.enlarge\.", r"sr_model.back_projection_stages.\1.up.up_conv1."),
    (r"stages\.(\d+)\.up\.reduce\.", r"sr_model.back_projection_stages.\1.up.up_conv2."),
    (r"stages\.(\d+)\.up\.enlarge_error\.", r"sr_model.back_projection_stages.\1.up.up_conv3."),
    (r"stages\.(\d+)\.reconstruct\.", r"sr_model.back_projection_stages.\1.kb.sr_reconst.layer."),
    (r"stages\.(\d+)\.corrector\.image_layers\.(\d)\.",
     r"sr_model.back_projection_stages.\1.kb.kernel_predictor.fe_SR.\2.layer."),
    (r"stages\.(\d+)\.corrector\.kernel_layers\.(\d)\.",
     r"sr_model.back_projection_stages.\1.kb.kernel_predictor.fe_kernel.\2.layer."),
    (r"stages\.(\d+)\.corrector\.merge\.",
     r"sr_model.back_projection_stages.\1.kb.kernel_predictor.fe_cat.0.layer."),
    (r"stages\.(\d+)\.corrector\.mix\.",
     r"sr_model.back_projection_stages.\1.kb.kernel_predictor.fe_cat.1.layer."),
    (r"stages\.(\d+)\.corrector\.last\.",
     r"sr_model.back_projection_stages.\1.kb.kernel_predictor.fe_cat.2.layer."),
    (r"stages\.(\d+)\.enlarge_error\.", r"sr_model.back_projection_stages.\1.kb.up_conv1."),
    (r"stages\.(\d+)\.down\.compress\.", r"sr_model.back_projection_stages.\1.down.conv."),
    (r"stages\.(\d+)\.down\.reduce\.", r"sr_model.back_projection_stages.\1.down.down_conv1."),
    (r"stages\.(\d+)\.down\.enlarge\.", r"sr_model.back_projection_stages.\1.down.down_conv2."),
    (r"stages\.(\d+)\.down\.reduce_error\.", r"sr_model.back_projection_stages.\1.down.down_conv3."),
    (r"stages\.(\d+)\.modulation\.(scale|shift)\.first\.",
     r"sr_model.back_projection_stages.\1.sft.SFT_\2_conv0."),
    (r"stages\.(\d+)\.modulation\.(scale|shift)\.second\.",
     r"sr_model.back_projection_stages.\1.sft.SFT_\2_conv1."),
    (r"output\.", r"sr_model.output_conv.layer."),
]
# Members of "convolution, then PReLU" blocks, as they stand at the end of a renamed KBPN name.
KBPN_MEMBERS = re.compile(r"\.(feat_ext\.\d|conv|up_conv\d|down_conv\d)\.([01])\.(weight|bias)$")

PSPNET_RULES: Rules = [
    (r"encoder\.", r"segmentation_model.feats."),
    (r"pyramid\.branches\.(\d)\.", r"segmentation_model.psp.stages.\1.1."),
    (r"pyramid\.bottleneck\.", r"segmentation_model.psp.bottleneck."),
    (r"up_steps\.0\.", r"segmentation_model.up_1.conv."),
    (r"up_steps\.1\.", r"segmentation_model.up_2.conv."),
    (r"up_steps\.2\.", r"segmentation_model.up_3.conv."),
    (r"head\.", r"segmentation_model.final.0."),
    (r"auxiliary\.", r"segmentation_model.aux."),
]


def rename(name: str, rules: Rules) -> str:
    """Apply the one rule that fits the start of ``name``; raise KeyError where none does."""
    for pattern, replacement in rules:
        renamed, count = re.subn(rf"^{pattern}", replacement, name)
        if count:
            return renamed
    raise KeyError(f"no reference name for '{name}'")


def kbpn_name(name: str) -> str:
    """The authors' name of a KBPN tensor."""
    renamed = rename(name, KBPN_RULES)
    return KBPN_MEMBERS.sub(lambda m: f".{m[1]}.{('layer', 'act')[int(m[2])]}.{m[3]}", renamed)


def pspnet_name(name: str) -> str:
    """The authors' name of a PSPNet tensor (ResNet encoders)."""
    return rename(name, PSPNET_RULES)


# Network family -> prefix of its tensors in a checkpoint, and the naming function.
FAMILIES = {
    "kbpn": ("sr_model.", kbpn_name),
    "pspnet": ("segmentation_model.", pspnet_name),
}


def reference_keys(family: str, names: Iterable[str]) -> dict[str, str]:
    """Map the authors' names to ours for the tensors ``names`` of a network of this family."""
    _, rename_one = lookup(FAMILIES, family, "network family")
    return {rename_one(name): name for name in names}


def strip_parallel(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Drop the leading ``module.`` that data-parallel training leaves on names."""
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def convert(family: str, network: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the part of a released checkpoint that belongs to ``network``, under our names.

    Other networks' tensors in the same checkpoint are left out. Raises UserError naming missing and
    unexpected tensors of this network, or the first one with another shape.
    """
    prefix, _ = lookup(FAMILIES, family, "network family")
    own = network.state_dict()
    keys = reference_keys(family, own)
    given = {name: tensor for name, tensor in strip_parallel(state).items() if name.startswith(prefix)}
    check_names(family, set(keys), set(given))
    for reference, name in keys.items():
        if given[reference].shape != own[name].shape:
            shapes = f"{list(given[reference].shape)}, the network expects {list(own[name].shape)}"
            raise UserError(f"reference weights for {family}: '{reference}' has shape {shapes}; check width")
    return {name: given[reference] for reference, name in keys.items()}


def check_names(family: str, expected: set[str], given: set[str]) -> None:
    """Raise UserError unless both sets of names are equal."""
    missing, unexpected = sorted(expected - given), sorted(given - expected)
    if missing or unexpected:
        raise UserError(
            f"reference weights for {family} do not fit: {some('missing', missing)}, "
            f"{some('unexpected', unexpected)}; check stages, width and encoder"
        )


def some(what: str, names: list[str]) -> str:
    """``"2 missing (a, b)"``, naming at most three."""
    more = ", ..." if len(names) > 3 else ""
    return f"{len(names)} {what} ({', '.join(names[:3])}{more})" if names else f"0 {what}"


def load_reference(family: str, network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load a released checkpoint's tensors into ``network``, strictly. Raises UserError; see ``convert``."""
    network.load_state_dict(convert(family, network, state), strict=True)
