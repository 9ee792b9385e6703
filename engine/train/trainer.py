"""The one training loop, on lightning-fabric: the same on a CPU, a GPU and under torchrun."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Iterator, Sequence
from functools import partial

import torch
from lightning_fabric import Fabric
from torch import Tensor

from contracts.errors import UserError, at
from contracts.records import DegradedBatch, HRBatch, micro_batches, to_device
from data.loader import make_loader
from data.sources import Source
from engine.build.data import build_dataset, build_degradation, degraded_batch
from engine.build.losses import build_loss
from engine.build.models import build_model
from engine.build.param_groups import build_optimizer, go_on
from engine.options import Options
from engine.runtime.checkpoint import load_file, load_weights, restore_rng, rng_state, save_atomic
from engine.runtime.distributed import everyones
from engine.runtime.experiment import Experiment
from engine.runtime.layout import channels_last
from engine.runtime.precision import Precision
from engine.train.compilation import compile_or_tell
from engine.train.ema import EMA
from engine.train.interruption import Interruption, Stopped
from engine.train.stages import Moment, Plan
from engine.train.state import TrainingState
from engine.train.step import Envelope, TrainStep, require_trainable, set_trainable, sharp_in_micro_batch
from engine.train.sync_batchnorm import synchronise
from engine.train.training_log import TrainingLog, not_finite
from engine.train.validation import Validator
from models.checkpointing import checkpoint_gradients


class Trainer:
    """Trains one experiment. ``run()`` goes from the restored or first step to ``total_iter``.

    fabric: devices and processes; precision: of training and validation; experiment: the folder; sources: photographs
    to train on and to validate with (None: no validation); meta: facts kept in checkpoints; passed: lengths of the
    stages that a resumed run has behind it.
    """

    def __init__(
        self,
        options: Options,
        fabric: Fabric,
        precision: Precision,
        experiment: Experiment,
        train: Source,
        val: Source | None,
        meta: dict,
        passed: Sequence[int] = (),
    ) -> None:
        self.options, self.fabric, self.precision, self.experiment = options, fabric, precision, experiment
        self.meta = meta | {"precision": precision.name}
        sharp = sharp_in_micro_batch(options, fabric.world_size)
        self.plan = Plan(options, len(train), passed)
        self.dataset = build_dataset(options, train)
        self.degrade = build_degradation(options, "train")
        self.model = channels_last(build_model(options))
        require_trainable(self.model, options.train.stages)
        if options.train.gradient_checkpointing:
            with at("train.gradient_checkpointing"):
                checkpoint_gradients(self.model.sr)
        if fabric.world_size > 1:
            synchronise(self.model)
        self.optimizer = build_optimizer(options, self.model)
        self.photographs: dict[str, dict[str, str]] = {}  # kept in the state, to be compared with by a later resume
        self.step = self.saved_step = 0
        self.unfinished = False  # whether the validation of ``step`` is still to be done, Ctrl-C having stopped it
        self.stage_index = -1
        self.interruption = Interruption(active=False)
        self.best = float("-inf")
        step_module = TrainStep(self.model, build_loss(options), options.loss.teacher_weight, precision, sharp)
        self.module, self.optimizer = fabric.setup(step_module, self.optimizer)
        self.step_module = step_module
        self.ema = EMA(self.model, options.train.ema_decay)
        self.validator: Validator | None = None
        if val is not None and options.val.val_freq > 0:
            self.validator = Validator(options, val, fabric.device, precision)
        self.compiles = options.train.compile
        self._set_teacher_from_file()

    def check(self) -> None:
        """Validate on two images, so that a broken validation shows before anything is moved or trained."""
        if self.validator is not None:
            self.validator.check(self.ema.average)

    # -- the loop -------------------------------------------------------------------------------

    def run(self, log: TrainingLog) -> None:
        """Train to the end. Raises UserError if the loss is no longer finite, and KeyboardInterrupt on Ctrl-C.

        One process ends the step that it is in and saves before it stops, so that nothing is lost. Several
        stop at once, as they may each be in another step: the last saved state is what remains.
        """
        with Interruption(active=self.fabric.world_size == 1) as self.interruption:
            try:
                self._steps(log)
            except Stopped:
                self._require_finite(self.plan.at(self.step))
                self.save(log)
                raise

    def _steps(self, log: TrainingLog) -> None:
        if self.unfinished:
            self._after_step(self.plan.at(self.step), log)
        waited = time.perf_counter()
        for batch in self._batches():
            log.waited(time.perf_counter() - waited)
            self.step += 1
            moment = self.plan.at(self.step)
            self._enter(moment)
            if self.compiles:
                self._compile(batch, moment)
            values = self._train_step(batch, moment)
            log.step(moment, values)
            self._after_step(moment, log)
            self.interruption.check()
            waited = time.perf_counter()

    def _train_step(self, batch: DegradedBatch, moment: Moment) -> dict[str, Tensor]:
        for group in self.optimizer.param_groups:
            group["lr"] = moment.sr_lr if group["name"] == "sr" else moment.lr
        self.optimizer.zero_grad(set_to_none=True)
        values = self._gradients(batch, moment)
        clip = self.options.train.grad_clip
        norm = self.fabric.clip_gradients(
            self.module, self.optimizer, max_norm=clip or float("inf"), error_if_nonfinite=False
        )
        assert norm is not None  # clipped by norm
        values["grad_norm"] = norm
        self.optimizer.step()
        self.ema.update(self.model)
        return values

    def _compile(self, batch: DegradedBatch, moment: Moment) -> None:
        """Before the first step: compile the networks, or say why not."""
        self.compiles = False
        part = micro_batches(batch, self.options.train.accumulate_grad_batches)[0]

        def loss() -> Tensor:
            return self.step_module(Envelope(part, moment))[0]

        reason = compile_or_tell({"sr": self.model.sr, "seg": self.model.seg}, loss)
        if reason is not None and self.fabric.is_global_zero:
            print(f"train.compile: off, as torch.compile failed here ({reason})", flush=True)

    def _gradients(self, batch: DegradedBatch, moment: Moment) -> dict[str, Tensor]:
        """Forward and backward, one micro-batch after the other; the means of the loss and of its terms over them."""
        batches = micro_batches(batch, self.options.train.accumulate_grad_batches)
        values: dict[str, Tensor] = {}
        for number, micro_batch in enumerate(batches, 1):
            with self.fabric.no_backward_sync(self.module, enabled=number < len(batches)):
                total, terms = self.module(Envelope(micro_batch, moment))
                self.fabric.backward(total / len(batches))
            for name, value in {"loss": total.detach(), **terms}.items():
                values[name] = values.get(name, 0.0) + value / len(batches)
        return values

    def _after_step(self, moment: Moment, log: TrainingLog) -> None:
        last = self.step == self.plan.total
        validates = self.validator is not None and (last or self.step % self.options.val.val_freq == 0)
        saves = last or self.step % self.options.logger.save_checkpoint_freq == 0
        if validates or saves:
            self._require_finite(moment)
        self.unfinished = validates
        if validates:
            self._validate(moment, log)
        self.unfinished = False
        if saves:
            self.save(log)

    def _validate(self, moment: Moment, log: TrainingLog) -> None:
        if self.validator is None or not self.fabric.is_global_zero:
            return
        values, pictures = self.validator.run(self.ema.average, moment.alpha, self.interruption.check)
        log.validation(moment, values, pictures)
        score = self.validator.score(values)
        counts = moment.kind.segments or (self.validator.of_restoration and not self.plan.segments)
        if counts and score > self.best:
            self.best = score
            save_atomic(self._weights(), self.experiment.best)

    def _require_finite(self, moment: Moment) -> None:
        if not torch.stack([value.isfinite().all() for value in self.model.state_dict().values()]).all():
            raise not_finite(moment)

    # -- data, stages ---------------------------------------------------------------------------

    def _batches(self) -> Iterator[DegradedBatch]:
        train = self.options.datasets.train
        loader = make_loader(
            self.dataset,
            global_batch=train.batch_size,
            seed=self.options.seed,
            start_step=self.step,
            total_steps=self.plan.total,
            workers=train.workers,
            rank=self.fabric.global_rank,
            world=self.fabric.world_size,
            pin_memory=self.fabric.device.type == "cuda",
            neighbours=int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
            finish=partial(degraded_batch, self.degrade, self.options.seed) if train.degrade_in_workers else None,
        )
        loader.generator = torch.Generator()  # else it would draw from dropout's, and a resumed run would differ
        for batch in loader:
            yield self._degraded(to_device(batch, self.fabric.device))

    def _degraded(self, batch: HRBatch) -> DegradedBatch:
        if batch.lr is None:
            batch = degraded_batch(self.degrade, self.options.seed, batch)
        assert batch.lr is not None and batch.kernel is not None
        lr, hr = (image.contiguous(memory_format=torch.channels_last) for image in (batch.lr, batch.hr))
        return DegradedBatch(lr, hr, batch.mask, batch.kernel, batch.name, batch.distance, batch.label)

    def _enter(self, moment: Moment) -> None:
        """On the first step of a stage (or after a resume): let its parts train."""
        if moment.index == self.stage_index:
            return
        previous = self.plan.stages[self.stage_index].name if self.stage_index >= 0 else None
        self.stage_index = moment.index
        if previous == "seg_hr" and self.options.loss.teacher_weight > 0:
            self.step_module.set_teacher(copy.deepcopy(self.ema.average))
        set_trainable(self.model, moment.kind, self.options.corrected("train_batchnorm"))

    def _set_teacher_from_file(self) -> None:
        path = self.options.train.teacher
        if path is None:
            return
        teacher = build_model(self.options, pretrained=False)
        try:
            load_weights(teacher, load_file(path)["model"], path, may_lack=("handover.",))  # sharp images need none
        except UserError as error:
            raise UserError(f"train.teacher: {error}") from None
        self.step_module.set_teacher(teacher.to(self.fabric.device))

    # -- checkpoints ----------------------------------------------------------------------------

    def _weights(self) -> dict:
        state = {"model": self.ema.average.state_dict(), "step": self.step, "meta": self.meta}
        return {**state, "options": self.options.model_dump(mode="json")}

    def save(self, log: TrainingLog) -> None:
        """Write the latest weights and the full training state (random states and log sums of every process)."""
        own = everyones({"rng": rng_state(), "log": log.state_dict()}, self.fabric.world_size)
        if not self.fabric.is_global_zero:
            return
        teacher = self.step_module.teacher_state() if self.options.train.teacher is None else None
        state = TrainingState(
            **self._weights(),
            trained=self.model.state_dict(),
            ema=self.ema.state_dict(),
            optimizer=self.optimizer.state_dict(),
            stage_index=self.stage_index,
            best=self.best,
            rng=[one["rng"] for one in own],
            teacher=teacher,
            run_id=log.run_id,
            log=[one["log"] for one in own],
            lengths=self.plan.lengths,
            photographs=self.photographs,
            unfinished=self.unfinished,
        )
        save_atomic(self._weights(), self.experiment.latest)
        state.write(self.experiment.state)
        self.saved_step = self.step

    def resume(self, state: TrainingState) -> None:
        """Continue from a training state. Raises UserError if it does not fit."""
        source = str(self.experiment.state)
        load_weights(self.model, state.trained, source)
        self.ema.load_state_dict(state.ema)
        go_on(self.optimizer, state.optimizer)
        self.step = self.saved_step = state.step
        self.best, self.unfinished = state.best, state.unfinished
        self.stage_index = -1
        set_trainable(self.model, self.plan.at(max(1, self.step)).kind, self.options.corrected("train_batchnorm"))
        if state.teacher is not None:
            teacher = copy.deepcopy(self.ema.average)
            teacher.load_state_dict(state.teacher)
            self.step_module.set_teacher(teacher)
        self.stage_index = state.stage_index
        written, world = len(state.rng), self.fabric.world_size
        if written != world:
            raise UserError(f"{source} was written by {written} processes; resume with as many, not {world}")
        restore_rng(state.rng[self.fabric.global_rank])
