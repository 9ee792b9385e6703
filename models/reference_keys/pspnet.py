"""Names of the tensors of PSPNet, with and without blur skip, in the authors' checkpoints."""

from __future__ import annotations

from models.reference_keys.rules import Family, Rules, rename

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

# The authors number modulations and convolutions in one row: 0 and 2, 1 and 3.
BLUR_SKIP_RULES: Rules = [
    rule
    for step in (0, 1)
    for rule in (
        (
            rf"blur_skip\.modulations\.{step}\.(scale|shift)\.first\.",
            rf"segmentation_model.blur_skip.{2 * step}.conv_\1.0.layer.",
        ),
        (
            rf"blur_skip\.modulations\.{step}\.(scale|shift)\.activation\.",
            rf"segmentation_model.blur_skip.{2 * step}.conv_\1.0.act.",
        ),
        (
            rf"blur_skip\.modulations\.{step}\.(scale|shift)\.second\.",
            rf"segmentation_model.blur_skip.{2 * step}.conv_\1.1.layer.",
        ),
        (rf"blur_skip\.convolutions\.{step}\.0\.", rf"segmentation_model.blur_skip.{2 * step + 1}.layer."),
        (rf"blur_skip\.convolutions\.{step}\.1\.", rf"segmentation_model.blur_skip.{2 * step + 1}.norm."),
    )
]


def pspnet_name(name: str) -> str:
    """The authors' name of a PSPNet tensor (ResNet encoders)."""
    return rename(name, PSPNET_RULES)


def blur_skip_name(name: str) -> str:
    """The authors' name of a tensor of PSPNet with blur skip."""
    return rename(name, BLUR_SKIP_RULES + PSPNET_RULES)


PSPNET = Family("segmentation_model.", pspnet_name)
PSPNET_BLUR_SKIP = Family("segmentation_model.", blur_skip_name)
