"""Joint training steps of an options file on batches that are ready, for the benchmarks that time them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from contracts.command_line import module_parser
from contracts.records import DegradedBatch, HRBatch, to_device
from data.loader import make_loader
from data.synthetic import SyntheticSource
from engine.build.data import build_dataset, build_degradation
from engine.build.losses import build_loss
from engine.build.models import build_model
from engine.build.param_groups import build_optimizer
from engine.options import Options
from engine.options.load import load_options
from engine.runtime.layout import channels_last
from engine.train.stages import STAGE_SPECS, StepSchedule
from engine.train.step import Envelope, TrainStep, set_trainable

ROOT = Path(__file__).resolve().parent.parent
COMPACT = ROOT / "options" / "joint.yml"
SMALL_CHANGES = ("network_seg={type: fpn, encoder: plain, width: 8}", "network_sr:width=8")
PHOTOGRAPHS = 2  # to cut crops from: time does not depend on what they show


def step_parser(module: str, description: str | None, epilog: str, sizes: bool = False) -> argparse.ArgumentParser:
    """A parser as ``module_parser`` makes it, for what takes steps of an options file.

    Args:
        module: dotted name.
        description: shown above the arguments.
        epilog: shown below them.
        sizes: whether the command line can change the batch and the crop.
    """
    parser = module_parser(module, description, epilog)
    parser.add_argument("-opt", type=Path, default=COMPACT, metavar="FILE", help="options (unset: options/joint.yml)")
    if sizes:
        parser.add_argument("--batch", type=int, help="images in a step of a process (unset: those of the options)")
        parser.add_argument("--crop", type=int, help="HR side of a step in pixels (unset: that of the options)")
    return parser


def load(file: Path, changes: Sequence[str] = (), crop: int | None = None, batch: int | None = None) -> Options:
    """Options of a file, changed.

    Args:
        file: options file.
        changes: as --force_yml gives them.
        crop: side of the training crops in HR pixels; None: as in the file.
        batch: images in a step; None: as in the file.
    """
    sizes = {"augmentation:crop": crop, "loader:batch_size": batch}
    forced = [f"datasets:train:{key}={value}" for key, value in sizes.items() if value is not None]
    return load_options(file, [*changes, *forced])


def ready_batch(options: Options) -> DegradedBatch:
    """A degraded training batch of drawn photographs, with its distance maps where the loss needs them."""
    train = options.datasets.train
    source = SyntheticSource(PHOTOGRAPHS, size=max(train.augmentation.crop, 64), seed=1, crack_free=0.0)
    loader = make_loader(
        build_dataset(options, source),
        global_batch=train.loader.batch_size,
        seed=options.seed,
        start_step=0,
        total_steps=1,
        workers=0,
    )
    return degraded(options, next(iter(loader)))


def degraded(options: Options, batch: HRBatch) -> DegradedBatch:
    """A loaded batch as the trainer degrades it.

    Args:
        options: of the experiment.
        batch: HR images [B,3,H,W].
    """
    made = build_degradation(options, "train")(batch.hr, batch.name, options.seed, batch.epoch)
    return DegradedBatch(made.lr, batch.hr, batch.mask, made.kernel, batch.name, batch.distance, batch.label)


class JointStep:
    """Forward, backward, gradient norm and optimiser step of the joint stage, as the trainer takes them.

    The learning rate is 0: every step does all the work and starts from the same weights.

    Args:
        options: of the experiment.
        device: that it runs on.
        alpha: share of the region terms in the segmentation loss.
        precision: dtype of autocast, float32 for none.
    """

    def __init__(
        self, options: Options, device: torch.device, alpha: float = 0.7, precision: torch.dtype = torch.float32
    ) -> None:
        torch.manual_seed(options.seed)
        self.model = channels_last(build_model(options, pretrained=False)).to(device)
        kind = STAGE_SPECS["joint"]
        set_trainable(self.model, kind)
        self.optimizer = build_optimizer(options, self.model)
        for group in self.optimizer.param_groups:
            group["lr"] = 0.0
        self.schedule = StepSchedule(1, 0, "joint", kind, alpha, options.loss.beta, False, 0.0, 0.0)
        self.module: nn.Module = TrainStep(self.model, build_loss(options))
        self.device, self.precision = device, precision
        self.clip = options.train.grad_clip or float("inf")

    def __call__(self, batch: DegradedBatch) -> dict[str, Tensor]:
        """One step; returns the loss."""
        self.optimizer.zero_grad(set_to_none=True)
        half = self.precision != torch.float32
        with torch.autocast(self.device.type, dtype=self.precision if half else None, enabled=half):
            total, _ = self.module(Envelope(batch, self.schedule))
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        return {"loss": total.detach()}


def on_device(batch: DegradedBatch, device: torch.device, layout: torch.memory_format) -> DegradedBatch:
    """A batch on a device.

    Args:
        batch: degraded.
        device: to move it to.
        layout: of its images in memory.
    """
    moved = to_device(batch, device)
    return replace(moved, lr=moved.lr.contiguous(memory_format=layout), hr=moved.hr.contiguous(memory_format=layout))
