"""Names of the tensors of HRNet with object-contextual representations in the authors' checkpoints.

Theirs hold transforms of pixels and object regions (``f_pixel``, ``f_object``) that only feed a softmax over
the regions. With one region, the crack, it is always 1: they have no influence and do not exist in ours.
"""

from __future__ import annotations

from models.reference_keys.rules import Family, Rules, rename

OBJECT_CONTEXT = "segmentation_model.ocr_distri_head.object_context_block."

HRNET_OCR_RULES: Rules = [
    (r"backbone\.", "segmentation_model.backbone."),
    (r"auxiliary\.0\.", "segmentation_model.aux_head.0."),
    (r"auxiliary\.1\.", "segmentation_model.aux_head.1.0."),
    (r"auxiliary\.3\.", "segmentation_model.aux_head.2."),
    (r"to_pixels\.0\.", "segmentation_model.conv3x3.0."),
    (r"to_pixels\.1\.", "segmentation_model.conv3x3.1.0."),
    (r"context\.(down|up)\.0\.", OBJECT_CONTEXT + r"f_\1.0."),
    (r"context\.(down|up)\.1\.", OBJECT_CONTEXT + r"f_\1.1.0."),
    (r"context\.merge\.", "segmentation_model.ocr_distri_head.conv_bn_dropout.0."),
    (r"context\.finish\.0\.", "segmentation_model.ocr_distri_head.conv_bn_dropout.1.0."),
    (r"head\.", "segmentation_model.cls_head."),
]


def hrnet_ocr_name(name: str) -> str:
    """The authors' name of a tensor of HRNet-OCR."""
    return rename(name, HRNET_OCR_RULES)


HRNET_OCR = Family(
    "segmentation_model.",
    hrnet_ocr_name,
    unused=r"segmentation_model\.ocr_distri_head\.object_context_block\.f_(pixel|object)\..*",
)
