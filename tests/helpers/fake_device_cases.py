"""All that runs on a GPU in training and prediction, each piece by name as a function of a FakeDevice.

``python -m tests.helpers.fake_device_cases cuda GROUP`` (or ``stand_in``) runs those of a group and prints a line for
each: its name and what went wrong, or "ok". A process of its own, as FakeTensorMode can bring one down and the
stand-in device stays in it.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
import traceback
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import torch

from contracts.records import DegradedBatch, HRBatch, to_device
from data.loader import make_loader
from data.synthetic import SyntheticSource
from degradations.kernel_kinds import KERNELS
from degradations.presets import PRESETS, build_pipeline
from degradations.steps import STEPS
from engine.build.data import build_dataset, build_degradation
from engine.build.losses import build_loss
from engine.build.models import build_model
from engine.build.param_groups import build_optimizer
from engine.options import Options
from engine.predict.tiled_model import TiledModel
from engine.train.ema import EMA
from engine.train.stages import STAGE_SPECS, StepSchedule
from engine.train.step import Envelope, TrainStep, set_trainable
from losses.combo import SEGMENTATION_LOSSES
from losses.image_label import POOLINGS
from models.normalisation import NORMALISATIONS
from models.seg import SEG_NETWORKS
from models.sr import SR_NETWORKS
from models.whole import WHOLE_NETWORKS
from tests.helpers.fake_device import FakeDevice, stand_in
from tests.helpers.runs import ROOT, tiny
from tests.helpers.small_networks import SEG_CASES, SMALL_DSRL, SMALL_SEG, SMALL_SR, SMALL_TWO_HEADS

WHOLE_SMALL = {"dsrl": SMALL_DSRL, "two_heads": SMALL_TWO_HEADS}
SIDE_OUTPUTS = "network_seg={type: pspnet, encoder: resnet18, width: 0.05}"
SMALL_STEP = (
    "degradation:preset=strong",
    "datasets:train:augmentation:crop=64",
    "network_seg={type: fpn, encoder: plain, width: 8}",
)
DSRL_JOINT = (
    "network={type: dsrl, encoder: resnet18, width: 0.1}",
    "network_sr=null",
    "network_seg=null",
    "joint:normalise=instance",
)
Case = Callable[[FakeDevice], None]


def restore(device: FakeDevice, name: str) -> None:
    """Train an SR network blindly, evaluate it in bfloat16 with the true kernel."""
    network = device.build(SR_NETWORKS[name], scale=4, **SMALL_SR[name]).train()
    restored = network(device.rand(2, 3, 8, 9))
    device.check(restored.sr, restored.kernel, *(restored.features or ()))
    if list(network.parameters()):
        device.backward(restored.sr.float().square().mean(), network)
    side = SMALL_SR[name].get("kernel_side", 5)
    with torch.no_grad(), device.autocast():
        device.check(network.eval()(device.rand(1, 3, 7, 11), device.rand(1, 1, side, side)).sr)


def segment(device: FakeDevice, name: str, changes: dict) -> None:
    """Train a segmentation network without a kernel, evaluate it in bfloat16 with one."""
    network = device.build(SEG_NETWORKS[name], **{**SMALL_SEG[name], **changes}).train()
    sides = max(32, network.multiple), max(32, network.multiple) + network.multiple
    segmented = network(device.rand(2, 3, *sides))
    device.check(segmented.logits, *segmented.aux)
    outputs = [segmented.logits, *segmented.aux]
    device.backward(torch.stack([one.float().square().mean() for one in outputs]).sum(), network)
    with torch.no_grad(), device.autocast():
        device.check(network.eval()(device.rand(1, 3, *sides), device.rand(1, 1, 5, 5)).logits)


def do_both(device: FakeDevice, name: str) -> None:
    """Train and evaluate one network for both tasks."""
    network = device.build(WHOLE_NETWORKS[name], **WHOLE_SMALL[name]).train()
    output = network(device.rand(2, 3, 32, 20))
    device.check(output.sr, output.logits, *(output.features or ()))
    outputs = [output.sr, output.logits, *(output.features or ())]
    device.backward(torch.stack([one.float().square().mean() for one in outputs]).sum(), network)
    network.eval()
    with torch.no_grad(), device.autocast():
        device.check(network.restore(device.rand(1, 3, 7, 5)).sr, network.segment(device.rand(1, 3, 33, 18)).logits)


def connect(device: FakeDevice, normalise: str, handover: bool = False) -> None:
    """A joint model with that normalisation, on an image larger than its window."""
    changes = f"joint:normalise={normalise}", f"joint:handover={str(handover).lower()}"
    model = device.build(build_model, options(*changes)).train()
    output = model(device.rand(2, 3, 18, 20))  # larger than a training crop, and so than the window
    device.check(output.sr, output.kernel, output.logits)
    device.backward(output.sr.float().square().mean() + output.logits.float().square().mean(), model)


def search(device: FakeDevice, normalise: str, handover: bool = False, whole: bool = False) -> None:
    """Restore and segment a photograph of several tiles."""
    changes = DSRL_JOINT if whole else (f"joint:normalise={normalise}", f"joint:handover={str(handover).lower()}")
    model = TiledModel(device.build(build_model, options(*changes)), device.device, tile=16, overlap=4)
    maps, kernel = model.restore(torch.rand(1, 3, 24, 20))
    device.check(kernel)
    assert maps.image.device.type == model.segment(maps, kernel).device.type == "cpu"


def degrade(device: FakeDevice, steps: object, quantise: bool, border: str = "reflect") -> None:
    """Degrade a batch, of which a step that is not always done takes a part."""
    pipeline = build_pipeline(steps, kernel_side=21, border=border, quantise=quantise)
    names = [f"photograph {number}" for number in range(6)]
    made = pipeline(device.rand(6, 3, 64, 128), names, seed=0, epochs=list(range(6)))
    assert made.lr.shape == (6, 3, 16, 32)
    device.check(made.lr, made.kernel)


def train(device: FakeDevice, kind: str, *changes: str, half: bool = False, step: int = 1) -> None:
    """Take a whole training step: move and degrade a batch, forward, backward, optimiser, average.

    half: forward in bfloat16, and without a teacher.
    step: within the stage.
    """
    chosen = options(*changes)
    model = device.build(build_model, chosen)
    spec = STAGE_SPECS[kind].at(step)
    set_trainable(model, spec)
    module = TrainStep(model, build_loss(chosen), teacher_weight=0.5)
    if not half:
        module.set_teacher(device.build(build_model, chosen))
    average = EMA(model, 0.9)
    batch = to_device(replace(hr_batch(), label=torch.ones(2)), device.device)
    made = build_degradation(chosen, "train")(batch.hr, batch.name, chosen.seed, batch.epoch)
    degraded = DegradedBatch(made.lr, batch.hr, batch.mask, made.kernel, batch.name, batch.distance, batch.label)
    device.check(degraded.lr, degraded.hr, degraded.mask, degraded.kernel, degraded.distance, degraded.label)
    weights = float(spec.compares), chosen.loss.distillation.weight
    moment = StepSchedule(step, 0, kind, spec, 0.7, 0.5, True, 1e-3, 1e-3, *weights)
    with device.autocast() if half else contextlib.nullcontext():
        total, terms = module(Envelope(degraded, moment))
    device.check(*terms.values())
    device.backward(total)
    if device.differentiates:
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        build_optimizer(chosen, model).step()
    average.update(model)
    device.check(*model.state_dict().values(), *average.average.state_dict().values())


def options(*changes: str) -> Options:
    """The smallest experiment with the degradation that has all steps, and changes."""
    return tiny(Path("nowhere"), *SMALL_STEP, *changes)


@lru_cache
def hr_batch() -> HRBatch:
    """A batch as the loader hands it over, on the CPU."""
    dataset = build_dataset(options(), SyntheticSource(2, size=64, seed=1, crack_free=0.0))
    return next(iter(make_loader(dataset, global_batch=2, seed=0, start_step=0, total_steps=1, workers=0)))


def degradation_cases() -> dict[str, Case]:
    """Every preset, every step at a chance of a half, every kernel under every border."""
    found: dict[str, Case] = {}
    for name, quantise in itertools.product(PRESETS, (False, True)):
        found[f"preset {name}, {'test' if quantise else 'train'}"] = partial(degrade, steps=name, quantise=quantise)
    for name in sorted(STEPS.keys() - {"blur", "downscale"}):
        steps = [{"type": "downscale"}, {"type": name, "probability": 0.5}]
        found[f"step {name}"] = partial(degrade, steps=steps, quantise=False)
    for kernel, border, chance in itertools.product(KERNELS, ("reflect", "zero"), (0.5, 1.0)):
        steps = [{"type": "blur", "kernel": kernel, "probability": chance}, {"type": "downscale"}]
        case = partial(degrade, steps=steps, quantise=False, border=border)
        found[f"kernel {kernel}, {border}, chance {chance}"] = case
    return found


def training_cases() -> dict[str, Case]:
    """Every stage, every loss in a joint step, and options that bring further terms."""
    losses = {name: (f"loss:segmentation={{type: {name}}}",) for name in SEGMENTATION_LOSSES}
    losses |= {
        f"image_label, {name}": (
            "datasets:train:labels={source: masks}",
            "datasets:train:augmentation:crack_crop_probability=0",
            "loss:segmentation:type=image_label",
            f"loss:segmentation:pooling={name}",
        )
        for name in POOLINGS
    }
    return {
        **{
            f"stage {kind}" + f", turn {turn}" * bool(spec.turns): partial(train, kind=kind, step=turn)
            for kind, spec in STAGE_SPECS.items()
            for turn in range(1, 1 + max(1, len(spec.turns)))
            if kind != "blur_skip"
        },
        "stage blur_skip": partial(train_on_skip),
        **{f"loss {name}": bound(*changes, SIDE_OUTPUTS, half=True) for name, changes in losses.items()},
        "fail- and crack-oriented": bound("loss:fail_oriented=1.0", "loss:crack_oriented=0.1"),
        "weighted by ratio": bound("loss:segmentation:type=wbce", "loss:segmentation:positive=ratio"),
        "soft clDice": bound("loss:topology={type: soft_cldice, weight: 0.5}"),  # skeleton_recall asks for numbers
        "estimated blur": bound("network_seg={type: film_fpn, encoder: plain, width: 8}", "loss:blur_weight=0.1"),
        "feature affinity": bound(*DSRL_JOINT, "loss:affinity:weight=0.1", "loss:affinity:pool=2"),
        "distillation": bound("loss:distillation:weight=0.5", "train:teacher=x"),
        "in bfloat16": bound(half=True),
        "as the reference": bound("compat=reference"),
        "recomputed": bound("train:gradient_checkpointing=true"),
        "sgd": bound("train:optimizer:type=sgd"),
    }


def bound(*changes: str, half: bool = False) -> Case:
    """A joint step with changed options."""
    return lambda device: train(device, "joint", *changes, half=half)


def train_on_skip(device: FakeDevice) -> None:
    """The stage that trains the blur skip alone."""
    train(device, "blur_skip", "network_seg={type: pspnet_blurskip, encoder: resnet18, width: 0.05}")


def network_cases() -> dict[str, Case]:
    """Every network by itself."""
    seg = [(name, changes) for name, changes in SEG_CASES if "encoder" not in changes or name == "fpn"]
    return {
        **{f"sr {name}": partial(restore, name=name) for name in SR_NETWORKS},
        **{" ".join(("seg", name, *changes)): partial(segment, name=name, changes=changes) for name, changes in seg},
        **{f"whole {name}": partial(do_both, name=name) for name in WHOLE_NETWORKS},
    }


def model_cases() -> dict[str, Case]:
    """How networks are connected, and photographs taken tile by tile."""
    return {
        **{f"normalise {name}": partial(connect, normalise=name) for name in NORMALISATIONS},
        "handover": partial(connect, normalise="instance", handover=True),
        **{f"tiles, normalise {name}": partial(search, normalise=name) for name in NORMALISATIONS},
        "tiles, handover": partial(search, normalise="instance", handover=True),
        "tiles, dsrl": partial(search, normalise="instance", whole=True),
    }


GROUPS: dict[str, dict[str, Case]] = {
    "networks": network_cases(),
    "models": model_cases(),
    "degradations": degradation_cases(),
    "training": training_cases(),
}
# With a backward pass of their own; those of the other cases consist of torch's.
DIFFERENTIATED = (
    *GROUPS["networks"],
    "stage joint",
    "stage blur_skip",
    "stage sr4ir, turn 1",
    "stage sr4ir, turn 2",
    "distillation",
    "as the reference",
    "recomputed",
    "sgd",
    "feature affinity",
)


def run(case: Case, device: FakeDevice) -> str:
    """What goes wrong, in one line, or "ok"."""
    torch.manual_seed(0)
    try:
        with device.active(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            case(device)
    except Exception as error:
        place = [one for one in traceback.extract_tb(error.__traceback__) if one.filename.startswith(str(ROOT))][-1]
        told = " ".join(str(error).split())
        return f"{Path(place.filename).relative_to(ROOT)}:{place.lineno}: {type(error).__name__}: {told}"
    return "ok"


def main() -> None:
    """Run a group on a device, as the command line names them."""
    _, name, group = sys.argv
    device = stand_in() if name == "stand_in" else FakeDevice(name)
    hr_batch()  # what comes from the CPU is made before the device is there
    for name, case in GROUPS[group].items():
        if name in DIFFERENTIATED or not device.differentiates:
            print(f"{name}\t{run(case, device)}", flush=True)


if __name__ == "__main__":
    main()
