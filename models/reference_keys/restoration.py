"""Names of the super-resolution networks' tensors in the authors' checkpoints: KBPN, DBPN, SrcNet."""

from __future__ import annotations

import re
from functools import partial

from models.reference_keys.rules import Family, Rules, rename

KBPN_STAGE_RULES: Rules = [  # within a stage
    (r"up\.compress\.", r"up.conv."),
    (r"up\.enlarge\.", r"up.up_conv1."),
    (r"up\.reduce\.", r"up.up_conv2."),
    (r"up\.enlarge_error\.", r"up.up_conv3."),
    (r"reconstruct\.", r"kb.sr_reconst.layer."),
    (r"corrector\.image_layers\.(\d)\.", r"kb.kernel_predictor.fe_SR.\2.layer."),
    (r"corrector\.kernel_layers\.(\d)\.", r"kb.kernel_predictor.fe_kernel.\2.layer."),
    (r"corrector\.merge\.", r"kb.kernel_predictor.fe_cat.0.layer."),
    (r"corrector\.mix\.", r"kb.kernel_predictor.fe_cat.1.layer."),
    (r"corrector\.last\.", r"kb.kernel_predictor.fe_cat.2.layer."),
    (r"enlarge_error\.", r"kb.up_conv1."),
    (r"down\.compress\.", r"down.conv."),
    (r"down\.reduce\.", r"down.down_conv1."),
    (r"down\.enlarge\.", r"down.down_conv2."),
    (r"down\.reduce_error\.", r"down.down_conv3."),
    (r"modulation\.(scale|shift)\.first\.", r"sft.SFT_\2_conv0."),
    (r"modulation\.(scale|shift)\.second\.", r"sft.SFT_\2_conv1."),
]
KBPN_RULES: Rules = [
    (r"extractor\.", r"sr_model.feat."),
    (r"predictor\.layers\.", r"sr_model.predictor.feat_ext."),
    *(
        (rf"stages\.(\d+)\.{ours}", rf"sr_model.back_projection_stages.\1.{theirs}")
        for ours, theirs in KBPN_STAGE_RULES
    ),
    (r"output\.", r"sr_model.output_conv.layer."),
]
# Members of "convolution, then PReLU" blocks, as they stand at the end of a renamed KBPN name.
KBPN_BLOCK = re.compile(r"\.(feat_ext\.\d|conv|up_conv\d|down_conv\d)\.([01])\.(weight|bias)$")


def kbpn_name(name: str) -> str:
    """The authors' name of a KBPN tensor."""
    renamed = rename(name, KBPN_RULES)
    return KBPN_BLOCK.sub(lambda m: f".{m[1]}.{('layer', 'act')[int(m[2])]}.{m[3]}", renamed)


KBPN = Family("sr_model.", kbpn_name)

# A projection unit's layers: ours, the authors', and what the authors call the convolution in it.
UP = (
    ("compress", "conv", "conv"),
    ("enlarge", "up_conv1", "deconv"),
    ("reduce", "up_conv2", "conv"),
    ("enlarge_error", "up_conv3", "deconv"),
)
DOWN = (
    ("compress", "conv", "conv"),
    ("reduce", "down_conv1", "conv"),
    ("enlarge", "down_conv2", "deconv"),
    ("reduce_error", "down_conv3", "conv"),
)
DBPN_RULES: Rules = [
    (r"extractor\.(\d)\.0\.", r"sr_model.feat\1.conv."),
    (r"extractor\.(\d)\.1\.", r"sr_model.feat\1.act."),
    (r"output\.", r"sr_model.output_conv.conv."),
]
DBPN_UNIT = re.compile(r"(up|down)s\.(\d+)\.(\w+)\.([01])\.(weight|bias)")


def dbpn_name(name: str) -> str:
    """The authors' name of a DBPN tensor; they count projection units from 1."""
    match = DBPN_UNIT.fullmatch(name)
    if match is None:
        return rename(name, DBPN_RULES)
    direction, number, layer, member, tensor = match.groups()
    theirs, convolution = {ours: rest for ours, *rest in (UP if direction == "up" else DOWN)}[layer]
    return f"sr_model.{direction}{int(number) + 1}.{theirs}.{(convolution, 'act')[int(member)]}.{tensor}"


DBPN = Family("sr_model.", dbpn_name)

SRCNET_RULES: Rules = [
    (r"first\.", r"sr_model.sconv1."),
    (r"body\.parts\.(\d+)\.parts\.(\d+)\.layers\.([02])\.", r"sr_model.rir.res_groups.\1.res_blocks.\2.fe1.\3."),
    (r"body\.parts\.(\d+)\.parts\.(\d+)\.gate\.0\.", r"sr_model.rir.res_groups.\1.res_blocks.\2.attention.1."),
    (r"body\.parts\.(\d+)\.parts\.(\d+)\.gate\.2\.", r"sr_model.rir.res_groups.\1.res_blocks.\2.attention.3."),
    (r"body\.parts\.(\d+)\.last\.", r"sr_model.rir.res_groups.\1.conv."),
    (r"body\.last\.", r"sr_model.rir.conv."),
    (r"enlarge\.", r"sr_model.upscaling."),
    (r"output\.", r"sr_model.sconv2."),
]

SRCNET = Family("sr_model.", partial(rename, rules=SRCNET_RULES))
