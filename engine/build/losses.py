"""Where options become losses, with the corrections in force."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from contracts.errors import at, lookup
from engine.options import Options
from engine.options.arguments import checked_arguments
from losses.affinity import FeatureAffinity
from losses.combo import SEGMENTATION_LOSSES, SegmentationLoss
from losses.image_label import IMAGE_LABEL_LOSSES, ImageLabelLoss
from losses.joint import JointLoss
from losses.sr import REFERENCE_WEIGHTS, KBPNLoss
from losses.topology import TOPOLOGY_LOSSES, TopologyLoss

DEFAULT_WEIGHTS = (0.4, 0.4, 0.2)  # image, LR, kernel: what the reference code meant


def build_segmentation_loss(options: Options) -> SegmentationLoss | ImageLabelLoss:
    """The segmentation loss by name, with its arguments checked."""
    loss = options.loss.segmentation
    table: dict[str, Callable[..., SegmentationLoss | ImageLabelLoss]] = {**SEGMENTATION_LOSSES, **IMAGE_LABEL_LOSSES}
    make = lookup(table, loss.type, "loss.segmentation.type")
    cls, fixed = (make.func, tuple(make.keywords)) if isinstance(make, partial) else (make, ())
    assert isinstance(cls, type)
    arguments = checked_arguments(cls, loss.arguments(), "loss.segmentation", fixed=fixed)
    with at("loss.segmentation"):
        return make(**arguments)


def build_loss(options: Options) -> JointLoss:
    """The joint loss, with the corrections in force."""
    supervised = options.in_force.supervised_kernel
    weights = options.loss.sr_weights or (DEFAULT_WEIGHTS if supervised else REFERENCE_WEIGHTS)
    border = "reflect" if options.in_force.reflected_borders else "zero"
    with at("loss.sr_weights"):
        sr_loss = KBPNLoss(weights, border, "sum" if supervised else "mean")
    return JointLoss(
        build_segmentation_loss(options),
        sr_loss,
        options.loss.aux_weight,
        fail_amplitude=options.loss.fail_oriented,
        crack_amplitude=options.loss.crack_oriented,
        affinity=build_affinity(options),
        affinity_weight=options.loss.affinity.weight,
        topology=build_topology(options),
        topology_weight=options.loss.topology.weight,
        blur_weight=options.loss.blur_weight,
    )


def build_affinity(options: Options) -> FeatureAffinity:
    """The feature-affinity loss, over the batch as ``corrections.mean_affinity`` says unless its arguments do."""
    chosen = checked_arguments(FeatureAffinity, options.loss.affinity.arguments(), "loss.affinity")
    reduction = "mean" if options.in_force.mean_affinity else "sum"
    with at("loss.affinity"):
        return FeatureAffinity(**{"reduction": reduction, **chosen})


def build_topology(options: Options) -> TopologyLoss | None:
    """The topology loss by name, with its arguments checked; None for "none"."""
    chosen = options.loss.topology
    make = lookup({"none": None, **TOPOLOGY_LOSSES}, chosen.type, "loss.topology.type")
    if make is None:
        return None
    arguments = checked_arguments(make, chosen.arguments(), "loss.topology")
    with at("loss.topology"):
        return make(**arguments)
