"""An evaluation from the command line's point of view: weights, test set, results folder."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from contracts.errors import UserError
from engine.build.checkpoint import Checkpoint, default_device
from engine.build.data import build_source
from engine.build.seen import count_trained_on, lines_of_test
from engine.build.tracker import start_tracker
from engine.evaluate import report
from engine.evaluate.build import build_evaluator
from engine.evaluate.cost import inference_cost
from engine.evaluate.evaluation import EvaluatedImage, together
from engine.evaluate.evaluator import Extra
from engine.evaluate.maps import FOLDER as MAPS
from engine.evaluate.maps import save_map
from engine.evaluate.pictures import drawn
from engine.evaluate.protocol import facts_of_test, frozen_set
from engine.evaluate.settings import EvaluationSettings
from engine.evaluate.threshold import thresholds_of
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

    Args:
        checkpoint: the weights.
        conditions: the inputs to score (hr, clean, degraded).
        out: folder of the results; None: beside the weights.

    Raises:
        UserError: for photographs, weights or a folder that cannot be used.
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
    settings = EvaluationSettings(
        seed=dataset.seed,
        draws=chosen.draws,
        surface=chosen.surface_step,
        baselines=chosen.baselines(),
        keep=chosen.panels,
        frozen=frozen,
        group=group,
        precision=precision,
    )
    settings = replace(settings, thresholds=thresholds_of(options, model, device, conditions, settings))
    evaluator = build_evaluator(options, source, device, conditions, settings)
    if group.first:
        print("\n".join(lines_of_test(source, checkpoint.meta)))
        what = f"{len(source)} photographs, conditions: {', '.join(conditions)}"
        print(f"evaluating {checkpoint} on {device} in {precision}: {what}{_shared(group)}")
    cost = inference_cost(model, options.scale, device) if group.first else {}
    began = time.perf_counter()
    staging = group.from_first(staging_for(folder) if group.first else folder)
    keep = _map_keeper(staging) if chosen.maps else None
    mine = len(group.of(range(len(source) * evaluator.draws)))
    with _removed_on_error(staging, folder):
        with Progress(mine, "evaluating", quiet=not group.first) as bar:
            gathered = group.gather(evaluator.run(model, bar.update, keep))
        if gathered is None:
            return {}
        evaluation = together(gathered)
        facts = {"inference": cost, "thresholds": settings.thresholds, "trained_on": trained_on}
        facts |= {"test_precision": precision.name, "seconds": round(time.perf_counter() - began, 1)}
        results = report.results(evaluation, facts_of_test(checkpoint, source, frozen) | facts)
        rows = report.rows_per_image(evaluation)
        report.write(staging, results, rows)
        write_counts(staging / COUNTS, *report.counts(evaluation))
    try:
        _show(results, settings.thresholds)
    finally:  # a closed pipe costs no results
        _leave(checkpoint, staging, folder, results, rows, evaluation)
    return results


def _shared(group: ProcessGroup) -> str:
    return f", shared by {group.world} processes" if group.world > 1 else ""


def _show(results: dict, thresholds: Mapping[str, float]) -> None:
    """Print the figures, and those at other thresholds below."""
    print(report.table(results))
    if thresholds:
        each = [f"{value} ({name})" for name, value in thresholds.items()]
        told = each[0].split()[0] if len(set(thresholds.values())) == 1 else ", ".join(each)
        print(f"\nat threshold {told}:\n{report.table(results, at_threshold)}")


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


def _map_keeper(staging: Path) -> Extra:
    """Write the map of each prediction, of the first draw alone, as soon as it is made; it adds no figures."""

    def keep(image: EvaluatedImage) -> dict[str, float]:
        if image.draw == 0:
            save_map(staging, image)
        return {}

    return keep


@contextmanager
def _removed_on_error(staging: Path, folder: Path) -> Iterator[None]:
    """Remove the new results when they do not get finished; the folder's own, if it held some, stay."""
    try:
        yield
    except BaseException:
        if staging == folder:
            shutil.rmtree(folder / MAPS, ignore_errors=True)
            for name in (*report.KEPT_FILES, COUNTS):
                (folder / name).unlink(missing_ok=True)
        else:
            shutil.rmtree(staging, ignore_errors=True)
        raise


def _leave(
    checkpoint: Checkpoint, staging: Path, folder: Path, results: dict, rows: list[dict], evaluation: report.Evaluation
) -> None:
    """Draw, put everything in its place, and hand it to the tracker; whatever happens, the figures are in theirs."""
    pictures: dict = {}
    try:
        pictures = drawn(report.pictures(evaluation))
        report.write_pictures(staging, pictures)
    finally:
        moved = put_in_place(staging, folder)
        if moved is not None:
            print(f"moved the earlier results to {moved}")
    tracker = start_tracker(checkpoint.options, folder / "tracking", checkpoint.meta.get("run_id"), results["meta"])
    report.track(tracker, results, rows, pictures, checkpoint.step)
    tracker.files([folder / name for name in report.KEPT_FILES])
    tracker.finish()
    print(f"wrote {folder}/results.json, per_image.csv, counts.npz, curves and panels")
