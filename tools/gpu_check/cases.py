"""The pieces that are compared between devices, by group and name: networks, losses, degradations, training steps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.joint_step import COMPACT, load, ready_batch
from contracts.records import DegradedBatch
from degradations.presets import PRESETS, build_pipeline
from engine.build.losses import build_loss
from engine.build.models import build_model
from engine.train.stages import STAGE_SPECS, StepSchedule
from engine.train.step import Envelope, TrainStep, set_trainable
from losses.affinity import FeatureAffinity
from losses.combo import SEGMENTATION_LOSSES
from losses.image_label import POOLINGS, ImageLabelLoss
from losses.sr import KBPNLoss
from losses.topology import TOPOLOGY_LOSSES
from models.encoders.timm_encoders import ENCODERS
from models.normalisation import NORMALISATIONS
from models.seg import SEG_NETWORKS
from models.sr import SR_NETWORKS
from models.whole import WHOLE_NETWORKS
from tools.gpu_check.compare import Outputs, Subject

# Arguments that make networks small; one that is not listed is tried at the size that it has without any.
SMALL: dict[str, dict[str, Any]] = {
    "kbpn": {"stages": 2, "width": 8, "kernel_side": 9, "estimated_side": 5, "corrector_width": 4},
    "dbpn": {"stages": 3, "width": 8, "extractor_width": 16},
    "srcnet": {"width": 16, "groups": 2, "blocks": 2},
    "edsr": {"width": 16, "blocks": 2},
    "rcan": {"width": 16, "groups": 1, "blocks": 2},
    "rrdbnet": {"width": 16, "blocks": 1, "growth": 8},
    "swinir": {"width": 12, "depths": (2,), "heads": 2},
    "srvgg": {"width": 12, "layers": 3},
    "pspnet": {"encoder": "resnet18", "width": 0.1},
    "pspnet_blurskip": {"encoder": "resnet18", "width": 0.1, "kernel_side": 9},
    "segnet": {"width": 0.1},
    "unet": {"width": 0.1},
    "unet_encoder": {"encoder": "resnet18", "width": 0.1},
    "fpn": {"width": 8},
    "film_fpn": {"width": 8, "hidden": 8},
    "half_pyramid": {"encoder": "plain", "width": 8, "detail": 4},
    "crackformer": {"width": 16},
    "hrnet_ocr": {"width": 8, "pixel_channels": 16, "context_channels": 8},
    "dsrl": {"encoder": "resnet18", "width": 0.1},
}
STEP = (
    "network_sr={type: kbpn, stages: 2, width: 8, corrector_width: 4, modulation_width: 8, estimated_side: 5}",
    "network_seg:width=16",
)
BLUR_SKIP = "network_seg={type: pspnet_blurskip, encoder: resnet18, width: 0.1}"
DSRL = (
    "network={type: dsrl, encoder: resnet18, width: 0.1}",
    "network_sr=null",
    "network_seg=null",
    "joint:normalise=instance",
    "train:stages=[{name: joint}]",
)
# Of 12,000 values and JPEG's coefficients some lie so near to the middle of two steps that an error of 1e-6 turns them:
# 3.1e-3 at most in 160 draws each of `field` and `strong`, whose resampling and second JPEG add nothing to that.
ROUNDED = 5e-3
Case = Callable[[], Subject]


def squares(outputs: Outputs) -> tuple[Outputs, Tensor]:
    """A network's outputs with a scalar that depends on all of them."""
    return outputs, torch.stack([output.square().mean() for output in outputs.values()]).sum()


def restore(network: nn.Module, lr: Tensor) -> tuple[Outputs, Tensor]:
    """A restored image, with its kernel where one is estimated."""
    restored = network(lr)
    return squares({"sr": restored.sr} | ({} if restored.kernel is None else {"kernel": restored.kernel}))


def segment(network: nn.Module, image: Tensor) -> tuple[Outputs, Tensor]:
    """Logits and side outputs, with the blur where it is estimated."""
    segmented = network(image)
    sides = {f"aux {i}": logits for i, logits in enumerate(segmented.aux)}
    return squares({"logits": segmented.logits} | sides | ({} if segmented.blur is None else {"blur": segmented.blur}))


def do_both(network: nn.Module, lr: Tensor) -> tuple[Outputs, Tensor]:
    """Restoration and segmentation of a network for both."""
    output = network(lr)
    return squares({"sr": output.sr, "logits": output.logits})


def sr_network(name: str) -> Subject:
    return Subject(SR_NETWORKS[name](scale=4, **SMALL.get(name, {})).train(), torch.rand(2, 3, 16, 18), restore)


def seg_network(name: str, **changes: str) -> Subject:
    network = SEG_NETWORKS[name](**{**SMALL.get(name, {}), **changes}).train()
    side = max(64, network.multiple)
    return Subject(network, torch.randn(2, 3, side, side + network.multiple), segment)


def whole_network(name: str) -> Subject:
    return Subject(WHOLE_NETWORKS[name](**SMALL.get(name, {})).train(), torch.rand(2, 3, 32, 20), do_both)


def training_step(kind: str, *changes: str, step: int = 1) -> Subject:
    """Forward and backward of a step of one kind of stage, as the trainer takes them; ``step``: within the stage."""
    options = load(COMPACT, [*STEP, *changes], crop=64, batch=2)
    module = TrainStep(build_model(options, pretrained=False), build_loss(options))
    spec = STAGE_SPECS[kind].at(step)
    set_trainable(module.model, spec)
    schedule = StepSchedule(step, 0, kind, spec, 0.7, 0.5, True, 1e-3, 1e-3, task_driven=float(spec.compares))

    def forward(module: nn.Module, batch: DegradedBatch) -> tuple[Outputs, Tensor]:
        with torch.random.fork_rng(devices=[]):  # the same mix of qualities each time
            torch.manual_seed(0)
            total, _ = module(Envelope(batch, schedule))
        return {"loss": total}, total

    return Subject(module, ready_batch(options), forward)


def loss(compute: Callable[[Tensor, DegradedBatch], Tensor], *sides: int) -> Subject:
    """A loss of what a network might have given, a tensor of these sides, and a batch."""
    tensors = nn.ParameterList([2 * torch.randn(sides)])
    options = load(COMPACT, crop=64, batch=2)

    def forward(module: nn.Module, batch: DegradedBatch) -> tuple[Outputs, Tensor]:
        value = compute(next(module.parameters()), batch)
        return {"loss": value}, value.sum()

    return Subject(tensors, ready_batch(options), forward, halves=False)


def restoration_loss(tensor: Tensor, batch: DegradedBatch) -> Tensor:
    """KBPN's loss of an image near the true one and of a kernel that is not the true one."""
    kernel = torch.softmax(tensor[:, :1, :21, :21].flatten(1), 1).view(2, 1, 21, 21)
    return KBPNLoss()(batch.hr + 0.1 * tensor, kernel, batch.hr, batch.lr, batch.kernel).total


def affinity_loss(features: Tensor, batch: DegradedBatch) -> Tensor:
    return FeatureAffinity(pool=8)((features, batch.hr))


def degradation(name: str, quantise: bool) -> Subject:
    """A batch of sharp photographs degraded, as in training or rounded to 8 bit as in evaluation."""
    pipeline = build_pipeline(name, kernel_side=21, border="reflect", quantise=quantise)

    def forward(_: nn.Module, batch: DegradedBatch) -> tuple[Outputs, None]:
        degraded = pipeline(batch.hr, batch.name, seed=0)
        return {"lr": degraded.lr, "kernel": degraded.kernel}, None

    batch = ready_batch(load(COMPACT, crop=128, batch=4))
    return Subject(nn.Identity(), batch, forward, halves=False, floor=ROUNDED)


def loss_cases() -> dict[str, Case]:
    """Every loss by itself."""

    def segmentation(name: str, logits: Tensor, batch: DegradedBatch) -> Tensor:
        return SEGMENTATION_LOSSES[name]()(logits, batch.mask, batch.distance, 0.7)

    def topology(name: str, logits: Tensor, batch: DegradedBatch) -> Tensor:
        return TOPOLOGY_LOSSES[name]()(logits.sigmoid(), batch.mask)

    def labels(name: str, logits: Tensor, batch: DegradedBatch) -> Tensor:
        return ImageLabelLoss(name)(logits, batch.mask.flatten(1).amax(1))

    return {
        **{f"loss {name}": partial(loss, partial(segmentation, name), 2, 1, 64, 64) for name in SEGMENTATION_LOSSES},
        **{f"loss image_label {name}": partial(loss, partial(labels, name), 2, 1, 64, 64) for name in POOLINGS},
        **{f"loss {name}": partial(loss, partial(topology, name), 2, 1, 64, 64) for name in TOPOLOGY_LOSSES},
        "loss sr": partial(loss, restoration_loss, 2, 3, 64, 64),
        "loss affinity": partial(loss, affinity_loss, 2, 8, 64, 64),
    }


GROUPS: dict[str, dict[str, Case]] = {
    "networks": {
        **{f"sr {name}": partial(sr_network, name) for name in SR_NETWORKS},
        **{f"seg {name}": partial(seg_network, name) for name in SEG_NETWORKS},
        **{f"seg fpn {name}": partial(seg_network, "fpn", encoder=name) for name in ENCODERS},
        **{f"whole {name}": partial(whole_network, name) for name in WHOLE_NETWORKS},
    },
    "losses": {
        **loss_cases(),
        **{f"degradation {name}": partial(degradation, name, False) for name in PRESETS},
        **{f"degradation {name}, 8 bit": partial(degradation, name, True) for name in PRESETS},
    },
    "steps": {
        **{
            f"step {kind}" + f", turn {turn}" * bool(spec.turns): partial(training_step, kind, step=turn)
            for kind, spec in STAGE_SPECS.items()
            for turn in range(1, 1 + max(1, len(spec.turns)))
            if kind != "blur_skip"
        },
        "step blur_skip": partial(training_step, "blur_skip", BLUR_SKIP),
        "step joint, dsrl": partial(training_step, "joint", *DSRL),
        **{
            f"step joint, {name}": partial(training_step, "joint", f"joint:normalise={name}") for name in NORMALISATIONS
        },
    },
}
