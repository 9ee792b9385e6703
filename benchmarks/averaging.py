"""Which batch-norm statistics averaged weights need, measured during training: ``python -m benchmarks.averaging``."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from benchmarks.joint_step import degraded, load, step_parser
from contracts.errors import UserError, run_main
from contracts.markdown import table as markdown_table
from contracts.records import DegradedBatch
from data.loader import make_loader
from engine.build.data import build_dataset, build_train_sources
from engine.build.losses import build_loss
from engine.build.models import build_model
from engine.build.param_groups import build_optimizer
from engine.options import Options
from engine.runtime.layout import channels_last
from engine.runtime.memory import keep_freed_memory
from engine.runtime.progress import Progress
from engine.train.build import build_schedule, build_validator
from engine.train.ema import EMA
from engine.train.step import Envelope, TrainStep, set_trainable
from engine.train.validation import Validator
from models.base import WholeModel

BATCHES = 16  # of training crops, that statistics are estimated on
SEGMENTATION_ALONE = ("network_sr={type: bicubic}", "train:stages=[{name: seg}]", "val:conditions=[degraded]")
EXPLANATION = """\
Trains the segmentation network of an options file on bicubic enlargements and, at the steps asked for, scores on the
validation photographs: the weights as trained (live); and their moving average (train.ema_decay) with the statistics
copied from the live model, averaged as the weights are, or estimated again on the latest 16 training batches.
Each figure is the mean over the seeds, with the standard deviation of its difference to "averaged" behind it.

  python -m benchmarks.averaging --force_yml datasets:val:count=24     the table of docs/performance.md
"""
LIVE, COPIED, AVERAGED, ESTIMATED = WAYS = ("live", "copied", "averaged", "estimated again")


def training_batches(options: Options, steps: int) -> Iterator[DegradedBatch]:
    """The first batches of a training, as the trainer makes them."""
    source, _ = build_train_sources(options)
    loader = make_loader(
        build_dataset(options, source),
        global_batch=options.datasets.train.loader.batch_size,
        seed=options.seed,
        start_step=0,
        total_steps=steps,
        workers=0,
    )
    return (degraded(options, batch) for batch in loader)


@torch.no_grad()
def with_statistics_of(average: WholeModel, live: WholeModel) -> WholeModel:
    """A copy of the average with the live model's buffers."""
    changed = copy.deepcopy(average)
    for buffer, value in zip(changed.buffers(), live.buffers(), strict=True):
        buffer.copy_(value)
    return changed


@torch.no_grad()
def with_statistics_estimated(average: WholeModel, step: TrainStep, batches: Sequence[Envelope]) -> WholeModel:
    """A copy of the average with its own mean statistics over training batches."""
    changed = copy.deepcopy(average)
    for layer in changed.modules():
        if isinstance(layer, _BatchNorm):
            layer.reset_running_stats()
            layer.momentum = None  # a plain mean over all batches
            layer.train()
    step = TrainStep(changed, step.loss)
    for envelope in batches:
        step(envelope)
    return changed


def measure(options: Options, at: Sequence[int]) -> dict[int, dict[str, dict[str, float]]]:
    """Dice and IoU_max on the validation photographs: by step, then by way of WAYS, then by metric."""
    torch.manual_seed(options.seed)
    source, photographs = build_train_sources(options)
    if photographs is None:
        raise UserError("datasets.val: this measurement scores validation photographs; give some")
    validator, plan = build_validator(options, photographs, torch.device("cpu")), build_schedule(options, len(source))
    model = channels_last(build_model(options))
    optimizer, step = build_optimizer(options, model), TrainStep(model, build_loss(options))
    ema = EMA(model, options.train.ema_decay)
    recent: list[Envelope] = []
    scores = {}
    with Progress(max(at), f"seed {options.seed}", every=max(1, max(at) // 20)) as bar:
        for number, batch in enumerate(islice(training_batches(options, max(at)), max(at)), 1):
            schedule = plan.at(number)
            set_trainable(model, schedule.spec)
            for group in optimizer.param_groups:
                group["lr"] = schedule.lr
            recent = [*recent[1 - BATCHES :], Envelope(batch, schedule)]
            optimizer.zero_grad(set_to_none=True)
            step(recent[-1])[0].backward()
            nn.utils.clip_grad_norm_(model.parameters(), options.train.grad_clip or float("inf"))
            optimizer.step()
            ema.update(model)
            if number in at:
                ways = (
                    copy.deepcopy(model),
                    with_statistics_of(ema.average, model),
                    ema.average,
                    with_statistics_estimated(ema.average, step, recent),
                )
                scores[number] = {name: score(validator, way) for name, way in zip(WAYS, ways, strict=True)}
            bar.update()
    return scores


def score(validator: Validator, model: WholeModel) -> dict[str, float]:
    """Dice and IoU_max of a model, in the validation's one condition."""
    values, _ = validator.run(model, alpha=1.0)
    return {name: value for key, value in values.items() if (name := key.rsplit("/", 1)[-1]) in ("dice", "iou_max")}


def table(runs: Sequence[dict[int, dict[str, dict[str, float]]]]) -> str:
    """The figures of several seeds as Markdown."""
    rows = []
    for number in runs[0]:
        for metric in runs[0][number][AVERAGED]:
            values = {way: np.array([run[number][way][metric] for run in runs]) for way in WAYS}
            cells = [f"{values[way].mean():.3f} ± {(values[way] - values[AVERAGED]).std():.3f}" for way in WAYS]
            rows.append((number, metric, *cells))
    return markdown_table(("step", "metric", *WAYS), rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = step_parser("benchmarks.averaging", __doc__, EXPLANATION)
    parser.add_argument("--force_yml", nargs="+", default=[], metavar="KEY=VALUE", help="changes of options")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="(unset: 1 2 3)")
    parser.add_argument("--steps", type=int, nargs="+", default=[100, 200, 400, 600], help="(unset: 100 200 400 600)")
    args = parser.parse_args(arguments)
    if min(args.steps) < 1:
        raise UserError(f"--steps {min(args.steps)}: give 1 or more")
    keep_freed_memory()
    runs = [
        measure(load(args.opt, [*SEGMENTATION_ALONE, f"seed={seed}", *args.force_yml]), args.steps)
        for seed in args.seeds
    ]
    print(table(runs))


if __name__ == "__main__":
    run_main(main)
