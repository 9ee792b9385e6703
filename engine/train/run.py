"""A training session from the command line's point of view: folders, resuming, tracking."""

from __future__ import annotations

import os
import random
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import yaml
from lightning_fabric import Fabric

from contracts.errors import ArgumentError, UserError
from contracts.files import write_text
from data.catalogue import Catalogue
from data.loader import require_workers
from data.sources import fingerprint
from engine.build.data import build_train_sources
from engine.build.seen import PHOTOGRAPHS, digests_seen, lines_of_training, seen_before, without_photographs
from engine.build.tracker import start_tracker
from engine.options import Options
from engine.runtime.experiment import Experiment, archive, require_writable
from engine.runtime.lock import Lock
from engine.runtime.memory import keep_freed_memory
from engine.runtime.precision import choose
from engine.runtime.progress import Progress
from engine.train.build import build_trainer
from engine.train.fabric import make_fabric
from engine.train.resuming import check_options, photographs_of, precision_before
from engine.train.state import TrainingState
from engine.train.trainer import Trainer
from engine.train.training_log import TrainingLog
from models.base import WholeModel
from models.whole import count_parameters
from tracking.git import commit_hash
from tracking.tracker import NullTracker


def train(options: Options, auto_resume: bool = False) -> Experiment:
    """Train an experiment.

    Args:
        options: of the experiment.
        auto_resume: whether to go on from a saved state, if there is one.

    Returns:
        The folder of the experiment.

    Raises:
        UserError: for options, photographs or a folder that cannot be used, and for a training that runs away.
    """
    experiment = Experiment(Path(options.path.experiments_root) / options.name)
    require_writable(experiment.folder, "path.experiments_root:")
    fabric = make_fabric(int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("GROUP_WORLD_SIZE", "1")))
    lock = Lock(experiment.folder)
    try:
        used = experiment.folder.is_dir() and any(experiment.folder.iterdir())
        _first_decides(fabric, lambda: _take(lock) if used else None)
        _train(options, fabric, experiment, auto_resume, lock)
    finally:
        lock.release()
    return experiment


def _train(options: Options, fabric: Fabric, experiment: Experiment, auto_resume: bool, lock: Lock) -> None:
    state = TrainingState.read(experiment.state) if auto_resume and experiment.state.is_file() else None
    passed: list[int] = []
    if state is not None:
        passed = check_options(options, state, experiment)
        if state.step >= options.train.total_iter and not state.unfinished:
            print(f"{experiment.folder} has all its {state.step} steps; nothing to resume")
            return
    sources = build_train_sources(options, print if fabric.is_global_zero else lambda _: None)
    photographs: dict[str, Catalogue] = {}
    _first_decides(fabric, lambda: photographs.update(photographs_of(sources, state, experiment)))
    train_source, val_source = sources
    if fabric.device.type == "cpu":
        keep_freed_memory()
    seed = options.seed + fabric.global_rank
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    seen = digests_seen(train_source, val_source, seen_before(options))
    meta = {"git": commit_hash(), "data": fingerprint(train_source), PHOTOGRAPHS: seen}
    begun = None if state is None else precision_before(state, fabric.device)
    precision = fabric.broadcast(choose(options.train.precision, fabric.device, begun))  # machines may differ
    trainer = build_trainer(options, fabric, precision, experiment, train_source, val_source, meta, passed)
    trainer.photographs = photographs
    if state is None:
        trainer.check()
    if fabric.is_global_zero:
        print("\n".join(lines_of_training(train_source, val_source)))
    _first_decides(fabric, lambda: _prepare(options, experiment, lock, resuming=state is not None))
    if fabric.is_global_zero and state is not None and begun not in (None, precision.name):
        print(f"train.precision: {begun} until step {state.step}, {precision.name} from then on")
    _run(trainer, fabric, options, experiment, state)


def _first_decides(fabric: Fabric, work: Callable[[], object]) -> None:
    """Let the first process do what is done once; where it is refused, the others end with it, without a word."""
    refused: UserError | None = None
    if fabric.is_global_zero:
        try:
            work()
        except UserError as error:
            refused = error
    if fabric.broadcast(refused is not None) and refused is None:
        raise SystemExit(2)
    if refused is not None:
        raise refused


def _take(lock: Lock) -> None:
    message = lock.take()
    if message is not None:
        print(message, flush=True)


def _run(
    trainer: Trainer, fabric: Fabric, options: Options, experiment: Experiment, state: TrainingState | None
) -> None:
    start = state.step if state is not None else 0
    tracker: NullTracker = NullTracker()
    if fabric.is_global_zero:
        _announce(trainer, options, experiment, start)
        tracker = start_tracker(
            options,
            experiment.folder,
            state.run_id if state else None,
            without_photographs(trainer.meta),
            last_step=start if state else -1,
        )
        trainer.meta["run_id"] = tracker.run_id
    every, quiet = options.logger.print_freq, not fabric.is_global_zero
    try:
        with Progress(options.train.total_iter, options.name, every=every, start=start, quiet=quiet) as bar:
            log = TrainingLog(tracker, bar, fabric, every)
            if state is not None:
                trainer.resume(state)
                log.load_state_dict(state.log, fabric.device)
            trainer.run(log)
    except ArgumentError as error:  # of a network or a loss, about the batches it was given
        raise UserError(f"datasets.train: {error}") from None
    except RuntimeError as error:
        require_workers(error)
        raise
    except KeyboardInterrupt:
        if not fabric.is_global_zero:
            raise SystemExit(130) from None  # the first process tells it
        raise KeyboardInterrupt(_how_to_go_on(trainer, max(start, trainer.saved_step))) from None
    finally:
        tracker.finish()
    if fabric.is_global_zero:
        print(f"trained: {experiment.folder}; evaluate with: python evaluate.py --degraded")


def _how_to_go_on(trainer: Trainer, saved_step: int) -> str:
    """What is said after Ctrl-C: where the training can be taken up again, and how."""
    if saved_step == 0:
        return "nothing was saved yet"
    if trainer.fabric.world_size > 1:
        command = "the same command and --auto_resume"
    else:
        command = shlex.join(["python", *sys.argv, *(() if "--auto_resume" in sys.argv else ("--auto_resume",))])
    return f"step {saved_step} is saved; to go on: {command}"


def _prepare(options: Options, experiment: Experiment, lock: Lock, resuming: bool) -> None:
    """Lock the folder, then move what an earlier training left in it aside: never a folder that is being written."""
    experiment.folder.mkdir(parents=True, exist_ok=True)
    _take(lock)
    moved = None if resuming else archive(experiment.folder)
    if moved is not None:
        lock.moved(moved)
        print(f"moved the earlier {experiment.folder} to {moved} (use --auto_resume to go on instead)")
        experiment.folder.mkdir(exist_ok=True)
        _take(lock)
    write_text(experiment.options, yaml.safe_dump(options.model_dump(mode="json"), sort_keys=False))


def _announce(trainer: Trainer, options: Options, experiment: Experiment, start: int) -> None:
    plan = zip(trainer.training_schedule.stages, trainer.training_schedule.lengths, strict=True)
    stages = ", ".join(f"{stage.name} {length}" for stage, length in plan)
    where = f"{trainer.fabric.device} in {trainer.step_module.precision}"
    print(f"experiment {experiment.folder}: {_networks(trainer.model, options)} on {where}")
    resumed = f"; resuming after step {start}" if start else ""
    print(f"{len(trainer.dataset)} training photographs; stages: {stages}{resumed}")


def _networks(model: WholeModel, options: Options) -> str:
    if options.network is not None:
        return f"{options.network.type} ({count_parameters(model):,} parameters)"
    assert options.network_sr is not None and options.network_seg is not None
    sr, seg = count_parameters(model.sr), count_parameters(model.seg)
    return f"{options.network_sr.type} ({sr:,} parameters) + {options.network_seg.type} ({seg:,})"
