"""An evaluation from the command line's point of view: weights, test set, results folder."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from contracts.errors import UserError
from data.protocol import Source
from data.sources import fingerprint
from degradations.frozen import FrozenSet, read_frozen
from engine import report
from engine.build import build_model
from engine.build_data import build_source
from engine.checkpoint import load_file, load_weights
from engine.evaluator import Evaluator, together
from engine.experiment import Experiment, place_for, put_in_place, require_writable, weights_of
from engine.layout import channels_last
from engine.memory import keep_freed_memory
from engine.options import Options
from engine.options_file import change_options, load_options
from engine.pictures import drawn
from engine.precision import choose
from engine.progress import Progress
from engine.seen import count_trained_on, lines_of_test, without_photographs
from engine.share import Share, joined
from engine.shipped import default_weights, describe, resolve
from engine.tracked import start_tracker
from models.whole import Model


def find(opt: str | None, weights: str | None, changes: list[str]) -> tuple[Options, dict[str, Any], Path]:
    """The options, the checkpoint and its file: from the names given, else ``engine.shipped.default_weights``.

    Without an options file the options come from the checkpoint itself. Raises UserError where there are
    no weights, or the file lacks something.
    """
    options = load_options(opt, changes) if opt else None
    if weights is not None:
        path = resolve(weights)
    elif options is not None:
        path = weights_of(Experiment(Path(options.path.experiments_root) / options.name))
    else:
        path = default_weights(Path("experiments"))
    content = load_file(path, "meta", "step")
    if options is None:
        if not isinstance(content.get("options"), dict):
            raise UserError(f"{path} holds weights without their options; name the options file with -opt FILE")
        options = change_options(content["options"], changes, str(path))
    return options, content, path


def load_model(options: Options, content: dict[str, Any], path: Path) -> Model:
    """The model of a checkpoint, in evaluation mode. Raises UserError if it does not fit the options."""
    model = build_model(options, pretrained=False)
    load_weights(model, content["model"], str(path))
    return channels_last(model.eval())


def default_device() -> torch.device:
    """The GPU where there is one (under torchrun that of this process), else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def evaluate(options: Options, content: dict[str, Any], path: Path, conditions: list[str], out: Path | None) -> dict:
    """Evaluate a checkpoint on ``datasets.test``; write, print and track the results; return them.

    Under torchrun the processes share the photographs, and the first alone writes; the others return nothing.
    """
    with joined() as share:
        return _evaluate(options, content, path, conditions, out, share)


def _evaluate(
    options: Options, content: dict[str, Any], path: Path, conditions: list[str], out: Path | None, share: Share
) -> dict:
    folder = _results_folder(path, out)
    dataset = options.datasets.test
    if dataset is None:
        raise UserError("datasets.test: missing; add the photographs to evaluate on to the options file")
    source = build_source(dataset, "datasets.test")
    trained_on = count_trained_on(source, content["meta"], options.evaluation.allow_training_photographs)
    frozen = frozen_set(options, source) if dataset.frozen else None
    device = default_device()
    if device.type == "cpu":
        keep_freed_memory()
    model = load_model(options, content, path).to(device)
    chosen = options.evaluation
    precision = share.from_first(choose(chosen.precision, device))  # machines may differ
    evaluator = Evaluator(
        options, source, device, conditions, seed=dataset.seed, surface=chosen.surface_step,
        baselines=chosen.baselines(), keep=chosen.panels, frozen=frozen, share=share, precision=precision,
    )
    if share.first:
        what = f"{len(source)} photographs, conditions: {', '.join(conditions)}"
        shared = f", shared by {share.world} processes" if share.world > 1 else ""
        print("\n".join(lines_of_test(source, content["meta"])))
        print(f"evaluating {describe(path, content)} on {device} in {precision}: {what}{shared}")
    began = time.perf_counter()
    with Progress(len(share.of(range(len(source)))), "evaluating", quiet=not share.first) as bar:
        shares = share.gather(evaluator.run(model, bar.update))
    if shares is None:
        return {}
    evaluation = together(shares)
    meta = {
        **without_photographs(content["meta"]), "weights": str(path), "step": content["step"], "name": options.name,
        "test_data": fingerprint(source), "test_images": len(source), "frozen": dataset.frozen,
        "test_precision": precision.name,
        "degradation_seed": dataset.seed if frozen is None else frozen.meta["seed"],
        "compat": options.compat, "corrections": options.resolved_corrections(),
        "trained_on": trained_on, "seconds": round(time.perf_counter() - began, 1),
    }
    results = report.results(evaluation, meta)
    print(report.table(results))
    _leave(options, content, folder, results, evaluation)
    return results


def frozen_set(options: Options, source: Source) -> FrozenSet:
    """The set that ``datasets.test.frozen`` names, checked to be made from this source for these options.

    Only its degradation may be another one: to try that is what such a set is for. Raises UserError that
    names the first difference.
    """
    frozen = read_frozen(Path(options.datasets.test.frozen))
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


def _leave(options: Options, content: dict, folder: Path, results: dict, evaluation: report.Evaluation) -> None:
    """Write the figures, then the pictures; whatever happens to these, the figures are then in their place."""
    rows, place = report.rows_per_image(evaluation), place_for(folder)
    try:
        report.write(place, results, rows)
    except BaseException:
        if place != folder:
            shutil.rmtree(place, ignore_errors=True)
        raise
    try:
        made = drawn(report.pictures(evaluation))
        report.write_pictures(place, made)
    finally:
        moved = put_in_place(place, folder)
        if moved is not None:
            print(f"moved the earlier results to {moved}")
    tracker = start_tracker(options, folder / "tracking", content["meta"].get("run_id"), results["meta"])
    report.track(tracker, results, rows, made, content["step"])
    tracker.finish()
    print(f"wrote {folder}/results.json, per_image.csv, curves and panels")
