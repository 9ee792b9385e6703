"""Where options become a trainer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from lightning_fabric import Fabric

from contracts.errors import UserError, at
from data.protocol import Source
from engine.build.data import build_dataset, build_degradation
from engine.build.losses import build_loss, build_segmentation_loss
from engine.build.models import build_model, build_teacher
from engine.build.param_groups import build_optimizer
from engine.evaluate.build import build_evaluator
from engine.evaluate.settings import EvaluationSettings
from engine.options import Options
from engine.options.training import sharp_of
from engine.runtime.depthwise import depthwise_in_float32
from engine.runtime.experiment import Experiment
from engine.runtime.layout import channels_last
from engine.runtime.precision import FLOAT32, Precision
from engine.train.settings import LoopSettings
from engine.train.stages import TrainingSchedule
from engine.train.step import TrainStep, require_trainable
from engine.train.sync_batchnorm import synchronise
from engine.train.task_driven import TaskDriven
from engine.train.trainer import Trainer
from engine.train.validation import Validator
from models.checkpointing import checkpoint_gradients


def build_schedule(options: Options, images: int, passed: Sequence[int] = ()) -> TrainingSchedule:
    """The schedule of an experiment.

    Args:
        options: of the experiment.
        images: number of training photographs.
        passed: as ``TrainingSchedule`` takes it.
    """
    return TrainingSchedule(options.train, options.loss, images, options.datasets.train.loader.batch_size, passed)


def build_validator(
    options: Options, source: Source, device: torch.device, precision: Precision = FLOAT32
) -> Validator:
    """What validates a training.

    Args:
        options: of the experiment.
        source: photographs to validate with.
        device: of the model.
        precision: of the networks.

    Raises:
        UserError: if ``val.best`` names no metric that weights can be chosen by.
    """
    evaluator = build_evaluator(
        options,
        source,
        device,
        options.val.conditions,
        EvaluationSettings(
            seed=options.seed if options.datasets.val is None else options.datasets.val.seed,
            surface=0,
            keep=options.logger.pictures,
            precision=precision,
        ),
    )
    return Validator(evaluator, build_segmentation_loss(options), options.val.best)


def build_trainer(
    options: Options,
    fabric: Fabric,
    precision: Precision,
    experiment: Experiment,
    train: Source,
    val: Source | None,
    meta: dict,
    passed: Sequence[int] = (),
) -> Trainer:
    """The trainer of these options.

    Args:
        options: of the experiment.
        fabric: devices and processes.
        precision: of training and validation.
        experiment: the folder.
        train, val: photographs to train on and to validate with; None: no validation.
        meta: facts kept in checkpoints.
        passed: lengths of the stages that a resumed run has behind it.

    Raises:
        UserError: for options that do not go together, or with so many processes.
    """
    sharp = _sharp_in_micro_batch(options, fabric.world_size)
    schedule = build_schedule(options, len(train), passed)
    dataset, degrade = build_dataset(options, train), build_degradation(options, "train")
    model = channels_last(build_model(options))
    depthwise_in_float32(model)
    require_trainable(model, options.train.stages)
    if options.train.gradient_checkpointing:
        with at("train.gradient_checkpointing"):
            checkpoint_gradients(model.sr)
    if fabric.world_size > 1:
        synchronise(model)
    optimizer = build_optimizer(options, model)
    task_driven = TaskDriven(options.loss.task_driven.levels, options.loss.task_driven.cells)
    step = TrainStep(model, build_loss(options), options.loss.teacher_weight, precision, sharp, task_driven)
    validator = None
    if val is not None and options.val.val_freq > 0:
        validator = build_validator(options, val, fabric.device, precision)
    teacher = build_teacher(options)
    if teacher is not None:
        step.set_teacher(teacher.to(fabric.device))
    settings = LoopSettings(
        batch_size=options.datasets.train.loader.batch_size,
        seed=options.seed,
        workers=options.datasets.train.loader.workers,
        degrade_in_workers=options.datasets.train.loader.degrade_in_workers,
        accumulate_grad_batches=options.train.accumulate_grad_batches,
        grad_clip=options.train.grad_clip,
        ema_decay=options.train.ema_decay,
        train_batchnorm=options.in_force.train_batchnorm,
        compile=options.train.compile,
        val_freq=options.val.val_freq,
        save_freq=options.logger.save_checkpoint_freq,
        teacher_from_file=teacher is not None,
    )
    kept, facts = options.model_dump(mode="json"), meta | {"precision": precision.name}
    return Trainer(fabric, experiment, schedule, step, optimizer, dataset, degrade, settings, validator, kept, facts)


def _sharp_in_micro_batch(options: Options, processes: int) -> int:
    """How many samples of each micro-batch are segmented sharp. Raises UserError where a batch cannot be cut so."""
    samples, batches = options.datasets.train.loader.batch_size // processes, options.train.accumulate_grad_batches
    if samples % batches:
        message = f"{batches} does not divide the {samples} samples of each process"
        raise UserError(f"train.accumulate_grad_batches {message}")
    try:
        return sharp_of(options.train.sharp_fraction, samples // batches)
    except ValueError as error:
        raise UserError(str(error)) from None
