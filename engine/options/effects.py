"""Options that would be accepted and then ignored: found before anything is built, each told in one line.

A switch that turns a whole thing off (``val_freq: 0``, ``wandb.mode: disabled``) does not make its details mistakes,
nor does a default. Only what a user gives is judged, never what is kept in weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Set

from pydantic import BaseModel

from engine.options.experiment import Options
from engine.options.section import Section
from engine.options.training import Loss, Train
from metrics import names

SEGMENT = ("joint", "seg", "seg_hr", "seg_bicubic", "blur_skip", "sr4ir")  # stages that run the segmentation
RESTORE = ("sr_true_kernel", "kernel", "sr", "joint", "sr4ir")  # stages that train the SR network
OF_MASKS = ("mask", "pooled", "sweep", "loss")  # figures that need no restored image
LAST_STEP = 98  # of the 99 thresholds: beyond it distances are swept at the first alone


def without_effect(options: Options) -> list[str]:
    """What of these options would do nothing, as sentences: the path, why, and the repair."""
    return [*_datasets(options), *_validation(options), *_loss(options), *_training(options.train), *_others(options)]


def _given(section: BaseModel, key: str) -> bool:
    """Whether an option is another than its default."""
    return getattr(section, key) != type(section).model_fields[key].get_default(call_default_factory=True)


def _others(options: Options) -> Iterator[str]:
    if options.network is not None and _given(options.joint, "normalise"):
        yield "joint.normalise: network normalises by itself; leave it out"
    joint = any(stage.name == "joint" for stage in options.train.stages)
    if options.joint.stop_gradient and (options.network is not None or not joint):
        why = "network has no restored image in between" if options.network is not None else "no stage is joint"
        yield f"joint.stop_gradient: {why}; leave it out"
    if options.evaluation.surface_step > LAST_STEP:
        yield (
            f"evaluation.surface_step {options.evaluation.surface_step}: there are 99 thresholds; give at most "
            f"{LAST_STEP}, or 0 for none"
        )


def _datasets(options: Options) -> Iterator[str]:
    sets = options.datasets
    for role, dataset in (("train", sets.train), ("val", sets.val), ("test", sets.test)):
        if dataset is None:
            continue
        idle = {} if role == "test" else {"frozen": "only datasets.test is read from a rendered set"}
        if dataset.type == "folder" and role == "train":
            idle["seed"] = "it is that of drawn photographs, and crops follow the seed at the top"
        for key, reason in idle.items():
            if _given(dataset, key):
                yield f"datasets.{role}.{key}: {reason}; leave it out"
    if sets.train.holdout > 0 and sets.val is not None:
        yield "datasets.train.holdout: nothing is held out beside datasets.val; set holdout to 0, or val to null"
    if sets.train.augmentation.any_angle and sets.train.augmentation.rotate:
        yield "datasets.train.augmentation.rotate: any_angle turns crops already; leave one of the two out"
    if sets.train.loader.degrade_in_workers and sets.train.loader.workers == 0:
        yield "datasets.train.loader.degrade_in_workers: there are no loader processes; set workers to 1 or more"
    labels = sets.train.labels
    if labels is not None and labels.source in ("masks", "csv") and _given(labels, "uncracked"):
        yield f"datasets.train.labels.uncracked: source {labels.source} does not look at names; leave it out"


def _validation(options: Options) -> Iterator[str]:
    val, sets = options.val, options.datasets
    if val.val_freq == 0:
        return
    if sets.val is None and sets.train.holdout == 0:
        if "val_freq" in val.model_fields_set:
            yield (
                f"val.val_freq {val.val_freq}: there is nothing to validate on; give datasets.val or "
                "datasets.train.holdout, or set val.val_freq to 0"
            )
        return
    condition, _, metric = val.best.partition("/")
    kind = names.METRICS[metric].of if metric in names.METRICS else None
    if condition == "hr" and kind in ("image", "kernel"):
        valid = ", ".join(f"hr/{name}" for name, details in names.METRICS.items() if details.of in OF_MASKS)
        yield f"val.best: sharp photographs are not restored, so there is no {val.best}; choose one of: {valid}"
    if kind in OF_MASKS and not any(stage.name in SEGMENT for stage in options.train.stages):
        yield f"val.best {val.best}: no stage trains the segmentation; choose by degraded/{names.PSNR}"


def _loss(options: Options) -> Iterator[str]:
    loss, train = options.loss, options.train
    if loss.affinity.weight > 0 and options.network is None:
        yield "loss.affinity: only network dsrl hands over the features for it; leave it out"
    if loss.affinity.weight == 0:
        for key in loss.affinity.arguments():
            yield f"loss.affinity.{key}: its weight is 0; give it one, or leave this out"
    yield from _beside_segmentation(options)
    stages = {stage.name for stage in train.stages}
    oriented = [key for key in ("fail_oriented", "crack_oriented") if getattr(loss, key) > 0]
    if loss.fail_oriented > 0 and "joint" not in stages:
        yield "loss.fail_oriented: no stage trains the SR network by what is segmented; leave it out"
    if loss.crack_oriented > 0 and not stages & set(RESTORE):
        yield "loss.crack_oriented: no stage trains the SR network; leave it out"
    if loss.oriented_from > 0 and not oriented:
        yield "loss.oriented_from: neither fail_oriented nor crack_oriented is on; leave it out"
    elif loss.oriented_from >= train.total_iter:
        yield f"loss.oriented_from {loss.oriented_from}: the training ends before; give less than train.total_iter"
    if loss.teacher_weight > 0 and not stages & (set(SEGMENT) - {"seg_hr"}):
        yield "loss.teacher_weight: no stage trains the segmentation on restored images; set it to 0"
    if train.teacher is not None and not loss.needs_teacher:
        yield (
            "train.teacher: loss.teacher_weight is 0, and loss.distillation off; give one of them a weight, or leave "
            "the teacher out"
        )
    yield from _idle_by_kind(loss.alpha, "loss.alpha")
    yield from _features(loss, stages)


def _features(loss: Loss, stages: Set[str]) -> Iterator[str]:
    distillation = loss.distillation
    if distillation.weight > 0:
        if not stages & (set(SEGMENT) - {"seg_hr", "blur_skip"}):
            yield "loss.distillation: no stage trains the segmentation on restored images; set its weight to 0"
        yield from _idle_by_kind(distillation, "loss.distillation")
    else:
        for key in ("schedule", "final"):
            if _given(distillation, key):
                yield f"loss.distillation.{key}: its weight is 0; give it one, or leave this out"
    for key in type(loss.task_driven).model_fields:
        if not _given(loss.task_driven, key):
            continue
        if "sr4ir" not in stages:
            yield f"loss.task_driven.{key}: only stage sr4ir looks at it; leave it out"
        elif key in ("warmup", "levels") and loss.task_driven.weight == 0:
            yield f"loss.task_driven.{key}: its weight is 0; give it one, or leave this out"


def _beside_segmentation(options: Options) -> Iterator[str]:
    topology, blur_weight, network = options.loss.topology, options.loss.blur_weight, options.network_seg
    segments = any(stage.name in SEGMENT for stage in options.train.stages)
    if topology.type == "none":
        for key in (*(["weight"] if topology.weight > 0 else []), *topology.arguments()):
            yield f"loss.topology.{key}: type none has none; give a type, or leave this out"
    elif topology.weight == 0:
        yield f"loss.topology {topology.type}: its weight is 0; give it one, or leave this out"
    elif not segments:
        yield "loss.topology: no stage trains the segmentation; leave it out"
    if blur_weight > 0 and (network is None or network.type != "film_fpn"):
        yield "loss.blur_weight: only network_seg film_fpn estimates the blur; leave it out"
    elif blur_weight > 0 and not any(stage.name in set(SEGMENT) - {"sr4ir"} for stage in options.train.stages):
        yield "loss.blur_weight: no stage segments photographs of a known blur (sr4ir mixes them); leave it out"


def _idle_by_kind(section: Section, path: str) -> Iterator[str]:
    kind = getattr(section, section.KIND)
    for key in section.IDLE.get(kind, ()):
        if _given(section, key):
            default = type(section).model_fields[key].default
            yield f"{path}.{key}: {section.KIND} {kind} has none; leave it out, or at {default}"


def _training(train: Train) -> Iterator[str]:
    for index, stage in enumerate(train.stages):
        path = f"train.stages.{index}"
        for key in ("beta", "beta_end"):
            if getattr(stage, key) is not None and stage.name != "joint":
                yield f"{path}.{key}: stage {stage.name} has one loss, not two to weigh; leave it out"
        if stage.sr_lr_factor != 1 and stage.name not in RESTORE:
            yield f"{path}.sr_lr_factor: stage {stage.name} leaves the SR network as it is; leave it out"
    mixes = set(SEGMENT) - {"seg_hr", "sr4ir"}  # of restored images alone, without that option
    if train.sharp_fraction > 0 and not {stage.name for stage in train.stages} & mixes:
        yield "train.sharp_fraction: no stage trains the segmentation on restored images; leave it out"
    yield from _idle_by_kind(train.optimizer, "train.optimizer")
    yield from _idle_by_kind(train.scheduler, "train.scheduler")
