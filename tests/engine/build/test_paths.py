"""What networks, losses and degradations refuse is told with the option that it came from, in one place."""

from __future__ import annotations

import pytest

from contracts.errors import ArgumentError
from engine.build.data import build_degradation
from engine.build.losses import build_loss
from engine.build.models import build_model
from losses.combo import RegionCombo
from models.sr import KBPN, SR_NETWORKS
from tests.helpers.errors import error_of
from tests.helpers.runs import changed

REFUSED = {
    "network_sr={type: kbpn, width: 3}": "network_sr: width 3 must be even and at least 2",
    "network_seg={type: fpn, width: 0}": "network_seg: width 0 and detail 16 must be at least 1",
    "network_seg={type: film_fpn, hidden: 0}": "network_seg: hidden 0 must be at least 1",
    "network_seg={type: film_fpn, width: 0}": "network_seg: width 0 and detail 16 must be at least 1",
    "network_seg={type: pspnet, encoder: resnet99}": "network_seg: unknown encoder 'resnet99'",
    "network_seg={type: pspnet_blurskip}": "network_seg: pspnet_blurskip needs the blur kernel, which network_sr",
    "joint={handover: true}": "joint.handover: this SR network has no features to hand over; kbpn and dbpn have",
    "joint={normalise: instances}": "joint.normalise",
    "loss={segmentation: {bce_weight: -1}}": "loss.segmentation: loss weights must not be negative",
    "loss={segmentation: {region: dices}}": "loss.segmentation: unknown region term 'dices'",
    "loss={sr_weights: [0, 0, 0]}": "loss.sr_weights",
    "loss={affinity: {weight: 0.1, pool: 0}}": "loss.affinity: the affinity loss's pool must be at least 1",
    "degradation={preset: null, steps: [{type: blur, kernel: square}]}": "degradation",
}


@pytest.mark.parametrize("change", REFUSED)
def test_the_option_is_named(change: str) -> None:
    def build() -> None:
        options = changed("network_sr={type: bicubic}", change)
        build_model(options)
        build_loss(options)
        build_degradation(options)

    assert error_of(build).removeprefix("minimal.yml: ").startswith(REFUSED[change])


def test_from_python_it_is_a_value_error_that_names_the_argument() -> None:
    for make, message in (
        (lambda: KBPN(width=3), "^width 3 must be even"),
        (lambda: RegionCombo(bce_weight=-1), "^loss weights must not be negative"),
        (lambda: SR_NETWORKS["rrdbnet"](scale=3), "^rrdbnet has no scale 3"),
    ):
        with pytest.raises(ArgumentError, match=message):
            make()
    assert issubclass(ArgumentError, ValueError)
