"""An evaluation from the command line's point of view: weights, test set, results folder."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from contracts.errors import UserError
from data.protocol import Source
from data.sources import fingerprint
from degradations.frozen import FrozenSet
from engine.build.checkpoint import Checkpoint, default_device
from engine.build.data import build_source
from engine.build.seen import count_trained_on, lines_of_test, without_photographs
from engine.build.tracker import start_tracker
from engine.evaluate import report
from engine.evaluate.build import build_evaluator
from engine.evaluate.evaluation import together
from engine.evaluate.pictures import drawn
from engine.options import Options
from engine.runtime.distributed import ProcessGroup, joined
from engine.runtime.experiment import Experiment, put_in_place, require_writable, staging_for
from engine.runtime.memory import keep_freed_memory
from engine.runtime.precision import choose
from engine.runtime.progress import Progress
from metrics.counts_file import COUNTS, write_counts
from metrics.names import at_threshold


def evaluate(checkpoint: Checkpoint, conditions: list[str], out: Path | None) -> dict:
    """Evaluate a checkpoint on ``datasets.test``; write, print and track the results; return them.

    Under torchrun the processes share the photographs, and the first alone writes; the others return nothing.
    """
    with joined() as group:
        return _evaluate(checkpoint, conditions, out, group)


def _evaluate(checkpoint: Checkpoint, conditions: list[str], out: Path | None, group: ProcessGroup) -> dict:
    options = checkpoint.options
    folder = _results_folder(checkpoint.path, out)
    dataset = options.datasets.test
    if dataset is None:
        raise UserError("datasets.test: missing; add the photographs to evaluate on to the options file")
    source = build_source(dataset, "datasets.test")
    trained_on = count_trained_on(source, checkpoint.meta, options.evaluation.allow_training_photographs)
    frozen = frozen_set(options, source) if dataset.frozen else None
    device = default_device()
    if device.type == "cpu":
        keep_freed_memory()
    model = checkpoint.model().to(device)
    chosen = options.evaluation
    precision = group.from_first(choose(chosen.precision, device))  # machines may differ
    evaluator = build_evaluator(
        options,
        source,
        device,
        conditions,
        seed=dataset.seed,
        surface=chosen.surface_step,
        threshold=chosen.threshold,
        baselines=chosen.baselines(),
        keep=chosen.panels,
        frozen=frozen,
        group=group,
        precision=precision,
    )
    if group.first:
        what = f"{len(source)} photographs, conditions: {', '.join(conditions)}"
        shared = f", shared by {group.world} processes" if group.world > 1 else ""
        print("\n".join(lines_of_test(source, checkpoint.meta)))
        print(f"evaluating {checkpoint} on {device} in {precision}: {what}{shared}")
    began = time.perf_counter()
    with Progress(len(group.of(range(len(source)))), "evaluating", quiet=not group.first) as bar:
        gathered = group.gather(evaluator.run(model, bar.update))
    if gathered is None:
        return {}
    evaluation = together(gathered)
    meta = _meta(checkpoint, source, frozen) | {
        "test_precision": precision.name,
        "trained_on": trained_on,
        "seconds": round(time.perf_counter() - began, 1),
    }
    results = report.results(evaluation, meta)
    print(report.table(results))
    if chosen.threshold is not None:
        print(f"\nat threshold {chosen.threshold}:\n{report.table(results, at_threshold)}")
    _leave(checkpoint, folder, results, evaluation)
    return results


def _meta(checkpoint: Checkpoint, source: Source, frozen: FrozenSet | None) -> dict[str, Any]:
    """What results say about their making: of which weights, photographs and rules."""
    options = checkpoint.options
    dataset = options.datasets.test
    assert dataset is not None
    return {
        **without_photographs(checkpoint.meta),
        "weights": str(checkpoint.path),
        "step": checkpoint.step,
        "name": options.name,
        "test_data": fingerprint(source),
        "test_images": len(source),
        "frozen": dataset.frozen,
        "threshold": options.evaluation.threshold,
        "minimum_area": options.postprocess.minimum_area,
        "degradation_seed": dataset.seed if frozen is None else frozen.meta["seed"],
        "compat": options.compat,
        "corrections": asdict(options.in_force),
    }


def frozen_set(options: Options, source: Source) -> FrozenSet:
    """The set that ``datasets.test.frozen`` names, checked to be made from this source for these options.

    Only its degradation may be another one: to try that is what such a set is for. Raises UserError that
    names the first difference.
    """
    test = options.datasets.test
    assert test is not None and test.frozen is not None
    frozen = FrozenSet(Path(test.frozen))
    difference = next(_differences(frozen, options, source), None)
    if difference is not None:
        raise UserError(f"datasets.test.frozen: {frozen.root} has {difference}; give the set made of this data")
    return frozen


def _differences(frozen: FrozenSet, options: Options, source: Source) -> Iterator[str]:
    for key, wanted in (("scale", options.scale), ("kernel_side", options.degradation.kernel_side)):
        if frozen.meta.get(key, wanted) != wanted:
            yield f"{key} {frozen.meta[key]}, not {wanted} as the options"
    names = {source.name(index) for index in range(len(source))}
    for name in sorted(names - set(frozen.names)):
        yield f"no image '{name}', which is in datasets.test"
    for name in sorted(set(frozen.names) - names):
        yield f"an image '{name}', which is not in datasets.test"
    if frozen.meta.get("data") not in (None, fingerprint(source)):
        yield "images of the same names, but made of other photographs"


def _results_folder(weights: Path, out: Path | None) -> Path:
    """The folder asked for; else NAME/results for weights in NAME/models, or results/STEM (of a folder results/NAME).

    Raises UserError for a folder that holds anything but earlier results, or cannot be written to.
    """
    if out is not None:
        if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / "results.json").is_file()):
            raise UserError(f"--out {out} holds something else than results; give a new folder")
        folder = out.absolute()
    elif weights.parent.name == "models":
        folder = Experiment(weights.parent.parent).results
    else:
        folder = Path("results") / (weights.name if weights.is_dir() else weights.stem)
    earlier = folder.is_dir() and any(folder.iterdir())
    require_writable(folder.parent if earlier else folder, "--out")  # beside earlier results, which are then moved
    return folder


def _leave(checkpoint: Checkpoint, folder: Path, results: dict, evaluation: report.Evaluation) -> None:
    """Write the figures, then the pictures; whatever happens to these, the figures are then in their place."""
    rows, staging = report.rows_per_image(evaluation), staging_for(folder)
    try:
        report.write(staging, results, rows)
        write_counts(staging / COUNTS, *report.counts(evaluation))
    except BaseException:
        if staging != folder:
            shutil.rmtree(staging, ignore_errors=True)
        raise
    try:
        pictures = drawn(report.pictures(evaluation))
        report.write_pictures(staging, pictures)
    finally:
        moved = put_in_place(staging, folder)
        if moved is not None:
            print(f"moved the earlier results to {moved}")
    tracker = start_tracker(checkpoint.options, folder / "tracking", checkpoint.meta.get("run_id"), results["meta"])
    report.track(tracker, results, rows, pictures, checkpoint.step)
    tracker.finish()
    print(f"wrote {folder}/results.json, per_image.csv, counts.npz, curves and panels")
