"""What networks refuse, by the name of the argument; and a download that fails, by the ways out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import timm
from torch import nn

from contracts.errors import UserError
from models.dsrl import DSRL
from models.encoders.hrnet import HRNet
from models.encoders.timm_encoders import build_encoder
from models.joint import JointModel
from models.seg import FPN, CrackFormer, HRNetOCR, PSPNet, PSPNetBlurSkip, SegNet, UNet
from models.seg.unet_encoder import EncoderUNet
from models.sr import DBPN, KBPN, Bicubic, SrcNet

NEITHER = "neither 'none', 'imagenet' nor a file"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: KBPN(scale=3), "scale 3"),
        (lambda: KBPN(stages=0), "stages 0"),
        (lambda: KBPN(width=5), "width 5"),
        (lambda: KBPN(kernel_side=20), "kernel_side 20"),
        (lambda: KBPN(kernel_side=5, estimated_side=9), "estimated_side 9"),
        (lambda: DBPN(scale=3), "scale 3"),
        (lambda: DBPN(stages=11), "stages 11 is out of range; DBPN has 2 to 10"),
        (lambda: DBPN(width=0), "width 0"),
        (lambda: SrcNet(scale=3), "scale 3"),
        (lambda: SrcNet(width=7), "width 7"),
        (lambda: SrcNet(blocks=0), "blocks 0"),
        (lambda: SegNet(width=0), "width 0"),
        (lambda: CrackFormer(width=0), "width 0 must be a multiple of 16"),
        (lambda: CrackFormer(width=24), "width 24 must be a multiple of 16"),
        (lambda: CrackFormer(width=-16), "width -16 must be a multiple of 16"),
        (lambda: PSPNetBlurSkip(encoder="resnet18", variant="orign"), "did you mean 'origin'"),
        (lambda: PSPNetBlurSkip(encoder="resnet18", kernel_side=8), "kernel_side 8"),
        (lambda: HRNetOCR(width=0), "width 0 must be at least 1"),
        (lambda: HRNetOCR(width=4, context_channels=0), "context_channels 0 must be at least 1"),
        (lambda: HRNetOCR(width=4, pretrained="imagnet"), NEITHER),
        (lambda: FPN(encoder="resnet19"), "did you mean 'resnet18'"),
        (lambda: FPN(width=0), "width 0"),
        (lambda: FPN(pretrained="imagnet"), NEITHER),
        (lambda: PSPNet(width=0), "width 0"),
        (lambda: UNet(decoder="decon"), "did you mean 'deconv'"),
        (lambda: UNet(width=0), "width 0 must be positive"),
        (lambda: EncoderUNet(width=0), "width 0"),
        (lambda: DSRL(up_steps=5), "up_steps 5 must be 3"),
        (lambda: DSRL(up_steps=4, scale=2), "4 up_steps enlarge by 4, more than scale 2"),
        (lambda: DSRL(width=0), "width 0 must be positive"),
        (lambda: DSRL(encoder="resnet10"), "did you mean 'resnet101'"),
        (lambda: JointModel(Bicubic(), FPN(width=8), handover=True), "no features to hand over"),
        (lambda: JointModel(Bicubic(scale=2), FPN(width=8), scale=4), "enlarges by 2"),
        (lambda: JointModel(Bicubic(), FPN(width=8), normalise="instanse"), "unknown normalisation 'instanse'"),
    ],
)
def test_wrong_arguments_are_named(build: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: build_encoder("resnet18", (3, 4), dilated=True, pretrained="imagenet"),
            "set pretrained to a local weight file",
        ),
        (lambda: HRNet(4, pretrained="imagenet"), "no ImageNet weights for hrnet_w4 .*local weight file"),
        (
            lambda: UNet(pretrained="imagenet", width=0.06),
            "ConnectionError while downloading.*set pretrained to a local weight file",
        ),
    ],
)
def test_a_failed_download_names_the_ways_out(
    build: Callable[[], nn.Module], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*arguments: object, **options: object) -> nn.Module:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(UserError, match=message):
        build()
