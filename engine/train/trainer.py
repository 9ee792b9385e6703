"""The one training loop, on lightning-fabric: the same on a CPU, a GPU and under torchrun."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from contracts.errors import UserError
from contracts.records import DegradedBatch, HRBatch, micro_batches, to_device
from data.catalogue import Catalogue
from data.dataset import CrackDataset
from data.loader import make_loader
from degradations.pipeline import Pipeline
from engine.build.data import degraded_batch
from engine.build.param_groups import go_on
from engine.runtime.checkpoint import load_weights, restore_rng, rng_state, save_atomic
from engine.runtime.compute import TrainingCost
from engine.runtime.distributed import everyones
from engine.runtime.experiment import Experiment
from engine.train.compilation import compile_or_tell
from engine.train.ema import EMA
from engine.train.interruption import Interruption, Stopped
from engine.train.settings import LoopSettings
from engine.train.stages import STAGE_SPECS, StageSpec, StepSchedule, TrainingSchedule
from engine.train.state import TrainingState
from engine.train.step import Envelope, TrainStep, set_trainable
from engine.train.training_log import TrainingLog, not_finite
from engine.train.validation import Validator


class Trainer:
    """Trains one experiment. ``run()`` goes from the restored or first step to the last of ``schedule``.

    Args:
        fabric: devices and processes.
        experiment: the folder of weights and states.
        schedule: what each step trains, and with which weights and rates.
        step: forward and loss of the model.
        optimizer: over the groups "sr" and "seg" of the model.
        dataset: crops of the photographs.
        degrade: makes the LR crops.
        settings: how the loop runs.
        validator: None: no validation.
        options, meta: kept in checkpoints: the resolved options as a plain dict, and facts.
    """

    def __init__(
        self,
        fabric: Fabric,
        experiment: Experiment,
        schedule: TrainingSchedule,
        step: TrainStep,
        optimizer: torch.optim.Optimizer,
        dataset: CrackDataset,
        degrade: Pipeline,
        settings: LoopSettings,
        validator: Validator | None = None,
        options: Mapping[str, Any] | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        self.fabric, self.experiment, self.training_schedule, self.settings = fabric, experiment, schedule, settings
        self.dataset, self.degrade, self.validator = dataset, degrade, validator
        self.options, self.meta = dict(options or {}), dict(meta or {})
        self.step_module, self.model = step, step.model
        self.module, self.optimizer = fabric.setup(step, optimizer)
        self.ema = EMA(self.model, settings.ema_decay)
        self.photographs: dict[str, Catalogue] = {}  # kept in the state, to be compared with by a later resume
        self.step = self.saved_step = 0
        self.unfinished = False  # whether the validation of ``step`` is still to be done, Ctrl-C having stopped it
        self.stage_index = -1
        self.trainable: StageSpec | None = None  # what the model is set to train
        self.interruption = Interruption(active=False)
        self.teacher_from_file = settings.teacher_from_file
        self.best = float("-inf")
        self.compiles = settings.compile
        self.cost = TrainingCost(fabric.world_size, countable=not settings.compile)

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
                self._require_finite(self.training_schedule.at(self.step))
                self.save(log)
                raise

    def _steps(self, log: TrainingLog) -> None:
        if self.unfinished:
            self._after_step(self.training_schedule.at(self.step), log)
        waited = time.perf_counter()
        for batch in self._batches():
            log.waited(time.perf_counter() - waited)
            self.step += 1
            schedule = self.training_schedule.at(self.step)
            self._enter(schedule)
            if self.compiles:
                self._compile(batch, schedule)
            with self.cost.step(kind=(schedule.spec, schedule.task_driven > 0)):
                values = self._train_step(batch, schedule)
            self.cost.took(time.perf_counter() - waited)
            log.step(schedule, values, self.cost)
            self._after_step(schedule, log)
            self.interruption.check()
            waited = time.perf_counter()

    def _train_step(self, batch: DegradedBatch, schedule: StepSchedule) -> dict[str, Tensor]:
        for group in self.optimizer.param_groups:
            group["lr"] = schedule.sr_lr if group["name"] == "sr" else schedule.lr
        self.optimizer.zero_grad(set_to_none=True)
        values = self._gradients(batch, schedule)
        clip = self.settings.grad_clip
        norm = self.fabric.clip_gradients(
            self.module, self.optimizer, max_norm=clip or float("inf"), error_if_nonfinite=False
        )
        assert norm is not None  # clipped by norm
        values["grad_norm"] = norm
        self.optimizer.step()
        self.ema.update(self.model)
        return values

    def _compile(self, batch: DegradedBatch, schedule: StepSchedule) -> None:
        """Before the first step: compile the networks, or say why not."""
        self.compiles = False
        part = micro_batches(batch, self.settings.accumulate_grad_batches)[0]

        def loss() -> Tensor:
            return self.step_module(Envelope(part, schedule))[0]

        reason = compile_or_tell({"sr": self.model.sr, "seg": self.model.seg}, loss)
        if reason is not None and self.fabric.is_global_zero:
            print(f"train.compile: off, as torch.compile failed here ({reason})", flush=True)

    def _gradients(self, batch: DegradedBatch, schedule: StepSchedule) -> dict[str, Tensor]:
        """Forward and backward, one micro-batch after the other; the means of the loss and of its terms over them."""
        batches = micro_batches(batch, self.settings.accumulate_grad_batches)
        values: dict[str, Tensor] = {}
        for number, micro_batch in enumerate(batches, 1):
            with self.fabric.no_backward_sync(self.module, enabled=number < len(batches)):
                total, terms = self.module(Envelope(micro_batch, schedule))
                self.fabric.backward(total / len(batches))
            for name, value in {"loss": total.detach(), **terms}.items():
                values[name] = values.get(name, 0.0) + value / len(batches)
        return values

    def _after_step(self, schedule: StepSchedule, log: TrainingLog) -> None:
        last = self.step == self.training_schedule.total
        validates = self.validator is not None and (last or self.step % self.settings.val_freq == 0)
        saves = last or self.step % self.settings.save_freq == 0
        if validates or saves:
            self._require_finite(schedule)
        self.unfinished = validates
        if validates:
            self._validate(schedule, log)
        self.unfinished = False
        if saves:
            self.save(log)

    def _validate(self, schedule: StepSchedule, log: TrainingLog) -> None:
        if self.validator is None or not self.fabric.is_global_zero:
            return
        values, pictures = self.validator.run(self.ema.average, schedule.alpha, self.interruption.check)
        log.validation(schedule, values, pictures, self.cost)
        score = self.validator.score(values)
        segments = STAGE_SPECS[schedule.name].segments  # of the stage, whatever the turn of this step
        counts = segments or (self.validator.of_restoration and not self.training_schedule.segments)
        if counts and score > self.best:
            self.best = score
            save_atomic(self._weights(), self.experiment.best)

    def _require_finite(self, schedule: StepSchedule) -> None:
        if not torch.stack([value.isfinite().all() for value in self.model.state_dict().values()]).all():
            raise not_finite(schedule)

    # -- data, stages ---------------------------------------------------------------------------

    def _batches(self) -> Iterator[DegradedBatch]:
        settings = self.settings
        loader = make_loader(
            self.dataset,
            global_batch=settings.batch_size,
            seed=settings.seed,
            start_step=self.step,
            total_steps=self.training_schedule.total,
            workers=settings.workers,
            rank=self.fabric.global_rank,
            world=self.fabric.world_size,
            pin_memory=self.fabric.device.type == "cuda",
            neighbours=int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
            finish=partial(degraded_batch, self.degrade, settings.seed) if settings.degrade_in_workers else None,
        )
        loader.generator = torch.Generator()  # else it would draw from dropout's, and a resumed run would differ
        for batch in loader:
            yield self._degraded(to_device(batch, self.fabric.device))

    def _degraded(self, batch: HRBatch) -> DegradedBatch:
        if batch.lr is None:
            batch = degraded_batch(self.degrade, self.settings.seed, batch)
        assert batch.lr is not None and batch.kernel is not None
        lr, hr = (image.contiguous(memory_format=torch.channels_last) for image in (batch.lr, batch.hr))
        return DegradedBatch(lr, hr, batch.mask, batch.kernel, batch.name, batch.distance, batch.label)

    def _enter(self, schedule: StepSchedule) -> None:
        """Let the step's parts train; on the first step of a stage, take what the stage before it leaves."""
        if schedule.index != self.stage_index:
            previous = self.training_schedule.stages[self.stage_index].name if self.stage_index >= 0 else None
            self.stage_index = schedule.index
            self.cost.new_stage()
            if previous == "seg_hr" and self.training_schedule.loss.needs_teacher:
                self.step_module.set_teacher(copy.deepcopy(self.ema.average))
                self.teacher_from_file = False
        self._let_train(schedule.spec)

    def _let_train(self, spec: StageSpec) -> None:
        if spec != self.trainable:
            set_trainable(self.model, spec, self.settings.train_batchnorm)
        self.trainable = spec

    # -- checkpoints ----------------------------------------------------------------------------

    def _weights(self) -> dict:
        meta = {**self.meta, "compute": self.cost.facts(self.fabric.device)}
        model = self.ema.average.state_dict()
        return {"model": model, "step": self.step, "meta": meta, "options": self.options}

    def save(self, log: TrainingLog) -> None:
        """Write the latest weights and the full training state (random states and log sums of every process)."""
        own = everyones({"rng": rng_state(), "log": log.state_dict()}, self.fabric.world_size)
        if not self.fabric.is_global_zero:
            return
        teacher = None if self.teacher_from_file else self.step_module.teacher_state()
        state = TrainingState(
            **self._weights(),
            trained=self.model.state_dict(),
            ema=self.ema.state_dict(),
            optimizer=self.optimizer.state_dict(),
            stage_index=self.stage_index,
            best=self.best,
            rng=[process["rng"] for process in own],
            teacher=teacher,
            run_id=log.run_id,
            log=[process["log"] for process in own],
            lengths=self.training_schedule.lengths,
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
        self.cost.load(state.meta.get("compute", {}))
        self._let_train(self.training_schedule.at(max(1, self.step)).spec)
        if state.teacher is not None:
            teacher = copy.deepcopy(self.ema.average)
            teacher.load_state_dict(state.teacher)
            self.step_module.set_teacher(teacher)
            self.teacher_from_file = False
        self.stage_index = state.stage_index
        written, world = len(state.rng), self.fabric.world_size
        if written != world:
            raise UserError(f"{source} was written by {written} processes; resume with as many, not {world}")
        restore_rng(state.rng[self.fabric.global_rank])
