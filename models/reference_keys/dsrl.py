"""Names of DSRL's tensors in the authors' checkpoints."""

from __future__ import annotations

import re

from models.reference_keys.rules import Family, Rules, rename

DSRL_RULES: Rules = [
    (r"encoder\.backbone\.", r"parallel_model.backbone."),
    (r"encoder\.pyramid\.pooled\.0\.", r"parallel_model.aspp.global_avg_pool.1."),
    (r"encoder\.pyramid\.pooled\.1\.", r"parallel_model.aspp.global_avg_pool.2."),
    (r"encoder\.pyramid\.merge\.0\.", r"parallel_model.aspp.conv1."),
    (r"encoder\.pyramid\.merge\.1\.", r"parallel_model.aspp.bn1."),
    (r"seg\.decoder\.layers\.", r"parallel_model.decoder.last_conv."),
    (r"seg\.decoder\.reduce\.0\.", r"parallel_model.decoder.conv1."),
    (r"seg\.decoder\.reduce\.1\.", r"parallel_model.decoder.bn1."),
    (r"seg\.to_features\.", r"parallel_model.pointwise."),
    (r"sr\.decoder\.layers\.", r"parallel_model.sr_decoder.last_conv."),
    (r"sr\.decoder\.reduce\.0\.", r"parallel_model.sr_decoder.conv1."),
    (r"sr\.decoder\.reduce\.1\.", r"parallel_model.sr_decoder.bn1."),
    (r"sr\.last\.", r"parallel_model.up_conv_last."),
]
# Numbered parts, which the authors count from 1.
PYRAMID_BRANCH = re.compile(r"encoder\.pyramid\.branches\.(\d)\.([01])\.")
UP_STEP = re.compile(r"sr\.steps\.(\d)\.(enlarge|refine|shortcut)\.")
UP_STEP_PARTS = {"enlarge": "up_sr_{}.", "refine": "up_edsr_{}.conv.", "shortcut": "up_edsr_{}.residual_upsampler.0."}


def dsrl_name(name: str) -> str:
    """The authors' name of a tensor of DSRL."""
    if match := PYRAMID_BRANCH.match(name):
        layer = ("atrous_conv", "bn")[int(match[2])]
        return f"parallel_model.aspp.aspp{int(match[1]) + 1}.{layer}.{name[match.end() :]}"
    if match := UP_STEP.match(name):
        layer_name = UP_STEP_PARTS[match[2]].format(int(match[1]) + 1)
        return f"parallel_model.{layer_name}{name[match.end() :]}"
    return rename(name, DSRL_RULES)


DSRL = Family("parallel_model.", dsrl_name)
