"""Names of KBPN's tensors in the authors' checkpoints."""

from __future__ import annotations

import re

from models.reference_keys.rules import Family, Rules, rename

KBPN_RULES: Rules = [
    (r"extractor\.", r"sr_model.feat."),
    (r"predictor\.layers\.", r"sr_model.predictor.feat_ext."),
    (r"stages\.(\d+)\.up\.compress\.", r"sr_model.back_projection_stages.\1.up.conv."),
    (r"stages\.(\d+)\.up\.enlarge\.", r"sr_model.back_projection_stages.\1.up.up_conv1."),
    (r"stages\.(\d+)\.up\.reduce\.", r"sr_model.back_projection_stages.\1.up.up_conv2."),
    (r"stages\.(\d+)\.up\.enlarge_error\.", r"sr_model.back_projection_stages.\1.up.up_conv3."),
    (r"stages\.(\d+)\.reconstruct\.", r"sr_model.back_projection_stages.\1.kb.sr_reconst.layer."),
    (
        r"stages\.(\d+)\.corrector\.image_layers\.(\d)\.",
        r"sr_model.back_projection_stages.\1.kb.kernel_predictor.fe_SR.\2.layer.",
    ),
    (
        r"stages\.(\d+)\.corrector\.kernel_layers\.(\d)\.",
        r"sr_model.back_projection_stages.\1.kb.kernel_predictor.fe_kernel.\2.layer.",
    ),
    (r"stages\.(\d+)\.corrector\.merge\.", r"sr_model.back_projection_stages.\1.kb.kernel_predictor.fe_cat.0.layer."),
    (r"stages\.(\d+)\.corrector\.mix\.", r"sr_model.back_projection_stages.\1.kb.kernel_predictor.fe_cat.1.layer."),
    (r"stages\.(\d+)\.corrector\.last\.", r"sr_model.back_projection_stages.\1.kb.kernel_predictor.fe_cat.2.layer."),
    (r"stages\.(\d+)\.enlarge_error\.", r"sr_model.back_projection_stages.\1.kb.up_conv1."),
    (r"stages\.(\d+)\.down\.compress\.", r"sr_model.back_projection_stages.\1.down.conv."),
    (r"stages\.(\d+)\.down\.reduce\.", r"sr_model.back_projection_stages.\1.down.down_conv1."),
    (r"stages\.(\d+)\.down\.enlarge\.", r"sr_model.back_projection_stages.\1.down.down_conv2."),
    (r"stages\.(\d+)\.down\.reduce_error\.", r"sr_model.back_projection_stages.\1.down.down_conv3."),
    (r"stages\.(\d+)\.modulation\.(scale|shift)\.first\.", r"sr_model.back_projection_stages.\1.sft.SFT_\2_conv0."),
    (r"stages\.(\d+)\.modulation\.(scale|shift)\.second\.", r"sr_model.back_projection_stages.\1.sft.SFT_\2_conv1."),
    (r"output\.", r"sr_model.output_conv.layer."),
]
# Members of "convolution, then PReLU" blocks, as they stand at the end of a renamed KBPN name.
KBPN_MEMBERS = re.compile(r"\.(feat_ext\.\d|conv|up_conv\d|down_conv\d)\.([01])\.(weight|bias)$")


def kbpn_name(name: str) -> str:
    """The authors' name of a KBPN tensor."""
    renamed = rename(name, KBPN_RULES)
    return KBPN_MEMBERS.sub(lambda m: f".{m[1]}.{('layer', 'act')[int(m[2])]}.{m[3]}", renamed)


KBPN = Family("sr_model.", kbpn_name)
