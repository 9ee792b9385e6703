"""Where options become photographs: sources, image labels, crops, degradations."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from contracts.errors import UserError, at
from contracts.records import HRBatch
from data.dataset import CrackDataset
from data.facts import require_cracks
from data.folders import find_pairs, find_photographs
from data.labels import Labelled, Photographs, labels_by_folder, labels_by_prefix, labels_from_csv, labels_from_masks
from data.protocol import Source
from data.reading import Reading
from data.resized import Resized
from data.sources import Cached, FilePairs, hold_out, split_random
from data.synthetic import SyntheticSource
from data.zoom import Zoom
from degradations.pipeline import Pipeline
from degradations.presets import build_pipeline
from engine.build.losses import build_segmentation_loss
from engine.options import Drawn, Folder, Options
from engine.options.data import TrainDrawn, TrainFolder
from engine.runtime.progress import Progress

VALIDATION_CACHE_MB = 512
PATIENCE = 3.0  # seconds before progress is shown


def build_source(dataset: Drawn | Folder, path: str, binary_masks: bool = True, cache_mb: int = 0) -> Source:
    """The photographs of one entry of ``datasets``.

    Args:
        dataset: the entry.
        path: of the entry in the options, named in errors.
        binary_masks: whether masks become {0, 1}; else they stay grey.
        cache_mb: memory for decoded photographs, MiB.

    Raises:
        UserError: for photographs that are missing or cannot be used.
    """
    if isinstance(dataset, Drawn):
        drawn = SyntheticSource(dataset.count, size=dataset.size, seed=dataset.seed, crack_free=dataset.crack_free)
        return _finished(drawn, dataset, cache_mb)
    notes: list[str] = []
    try:
        pairs = find_pairs(Path(dataset.root), dataset.lists, dataset.part, _role_of(dataset, path), notes)
        reading = Reading(
            bits=dataset.bits,
            crack_values=None if dataset.crack_values is None else tuple(dataset.crack_values),
            crack_from=dataset.crack_from,
            mask_orientation=dataset.mask_orientation,
        )
        files = FilePairs(pairs[: dataset.count], binary_masks, reading, notes, looking_at(path))
        return _finished(files, dataset, cache_mb)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _role_of(dataset: Drawn | Folder, path: str) -> str | None:
    """Which half of a root an entry of ``datasets`` is meant for; None where a random split is drawn of all of it."""
    return None if dataset.split is not None else path.rpartition(".")[2]


def looking_at(path: str) -> Callable[[int, int], None]:
    """Show how far the look at all files is, in the first process, where it takes more than a few seconds."""
    began = time.monotonic()
    bars: list[Progress] = []

    def show(done: int, total: int) -> None:
        if not bars and time.monotonic() - began > PATIENCE:
            quiet = os.environ.get("RANK", "0") != "0"
            bars.append(Progress(total, f"{path}: looking at files", start=done - 1, quiet=quiet))
        for bar in bars:
            bar.update()
            if done == total:
                bar.close()

    return show


def _finished(source: Source, dataset: Drawn | Folder, cache_mb: int) -> Source:
    """A source with what the options ask of all of them: one fraction, one size, a cache."""
    if dataset.split is not None:
        split = dataset.split
        parts = split_random(source, list(split.fractions.values()), split.seed)
        source = dict(zip(split.fractions, parts, strict=True))[split.use]
    if dataset.resize is not None:
        source = Resized(source, dataset.resize, dataset.keep_aspect)
    return Cached(source, cache_mb)


def build_labelled(train: TrainDrawn | TrainFolder) -> Labelled:
    """The training photographs with image labels; unless the labels come from them, masks are not even looked for."""
    labels = train.labels
    assert labels is not None
    try:
        if labels.source == "masks":
            source = build_source(train, "datasets.train", cache_mb=train.loader.cache_mb)
            return Labelled(source, labels_from_masks(source))
        if isinstance(train, TrainDrawn):
            raise UserError(f"labels of source {labels.source} are for type folder; drawn photographs have masks")
        path = "datasets.train"
        notes: list[str] = []
        files = find_photographs(Path(train.root), train.lists, train.part, _role_of(train, path), notes)
        photographs = Photographs(files[: train.count], train.bits, notes, looking_at(path))
        source = _finished(photographs, train, train.loader.cache_mb)
        names = [source.name(index) for index in range(len(source))]
        if labels.source == "csv":
            assert labels.file is not None
            return Labelled(source, labels_from_csv(Path(labels.file), names))
        find = labels_by_folder if labels.source == "folder" else labels_by_prefix
        return Labelled(source, find(names, labels.uncracked))
    except UserError as error:
        message = str(error)
        raise UserError(message if message.startswith("datasets.train") else f"datasets.train: {message}") from None


def build_train_sources(options: Options, tell: Callable[[str], object] = print) -> tuple[Source, Source | None]:
    """The photographs that the options name.

    Args:
        options: of the experiment.
        tell: called with a line about what is unusual.

    Returns:
        Training and validation photographs; None where the options name none of these.

    Raises:
        UserError: for photographs that are missing or cannot be used.
    """
    train = options.datasets.train
    if train.labels is not None:
        source: Source = build_labelled(train)
    else:
        source = build_source(train, "datasets.train", options.in_force.binary_masks, train.loader.cache_mb)
        require_cracks(source, "datasets.train")
    if options.datasets.val is not None:
        return source, build_source(options.datasets.val, "datasets.val", cache_mb=VALIDATION_CACHE_MB)
    if train.holdout == 0:
        return source, None
    try:
        return hold_out(source, train.holdout, options.seed, tell)
    except UserError as error:
        raise UserError(f"datasets.train: {error}") from None


def build_dataset(options: Options, source: Source) -> CrackDataset:
    """Crops, flips and distance maps of the training photographs.

    Args:
        options: of the experiment.
        source: the training photographs.
    """
    augmentation = options.datasets.train.augmentation
    vertical = augmentation.vertical_flip
    if vertical is None:
        vertical = 0.3 if options.in_force.vertical_flip else 0.0
    smallest, largest = augmentation.zoom or (1.0, 1.0)
    return CrackDataset(
        source,
        crop=augmentation.crop,
        seed=options.seed,
        horizontal_flip=augmentation.horizontal_flip,
        vertical_flip=vertical,
        rotate=augmentation.rotate,
        distance=build_segmentation_loss(options).needs_distance,
        crack_crop_probability=augmentation.crack_crop_probability,
        photometric=augmentation.photometric,
        zoom=Zoom(smallest, largest, augmentation.any_angle) if augmentation.zoom or augmentation.any_angle else None,
        lighting=augmentation.lighting,
    )


def build_degradation(options: Options, condition: str = "degraded") -> Pipeline:
    """The degradation of an input condition.

    Args:
        options: of the experiment.
        condition: "degraded": as the options say; "clean": the reduction alone; "train": as "degraded", but not
            quantised to 8 bit, as photographs to evaluate are.

    Raises:
        UserError: for options that describe no degradation.
    """
    degradation = options.degradation
    steps = degradation.preset if degradation.steps is None else degradation.steps
    assert steps is not None  # options without either are refused
    with at("degradation"):
        return build_pipeline(
            "clean" if condition == "clean" else steps,
            scale=options.scale,
            kernel_side=degradation.kernel_side,
            border="reflect" if options.in_force.reflected_borders else "zero",
            quantise=condition != "train",
        )


def degraded_batch(degrade: Pipeline, seed: int, batch: HRBatch) -> HRBatch:
    """The batch with its degraded images and their kernels.

    Args:
        degrade: makes them.
        seed: of the draw.
        batch: HR images [B,3,H,W].
    """
    made = degrade(batch.hr, batch.name, seed, batch.epoch)
    return replace(batch, lr=made.lr, kernel=made.kernel)
