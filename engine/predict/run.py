"""Predictions for photographs of one's own, from the command line's point of view: files in, pictures out."""

from __future__ import annotations

import shlex
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from contracts.errors import UserError
from contracts.files import Unwritable
from contracts.names import one_line
from data.images import read_photograph
from engine.predict.crack_files import in_words
from engine.predict.exchange import check_exchange, write_exchange
from engine.predict.inputs import photographs, told
from engine.predict.memory import refuse_too_large
from engine.predict.photo import Prediction, examine
from engine.predict.plan import Job, LeftOut, Settings, plan, refuse_left_out
from engine.predict.results import REPAIR, write_results
from engine.predict.resume import decided_as, left_to_do, stamp
from engine.predict.source import find_source
from engine.predict.summary import NAME, check_summary, write_summary
from engine.predict.tiled_model import TiledModel
from engine.runtime.distributed import ProcessGroup, joined
from engine.runtime.experiment import require_writable
from engine.runtime.progress import format_seconds
from metrics.branches import require_skan


def predict(inputs: list[Path], settings: Settings, opt: str | None = None, weights: str | None = None) -> list[Job]:
    """Segment photographs (and restore them): write the results, print a line for each photograph.

    Under torchrun the processes share the photographs; the first alone tells what was left out.

    Args:
        inputs: files, folders and patterns.
        settings: what the user chose.
        opt: as for ``engine.build.checkpoint.find_checkpoint``.
        weights: likewise.

    Returns:
        The photographs that were done.

    Raises:
        UserError: before any work for what the user gave, and at the end for photographs that could not be done: the
            others are done all the same.
    """
    with joined() as group:
        return _predict(inputs, settings, opt, weights, group)


def _predict(
    inputs: list[Path], settings: Settings, opt: str | None, weights: str | None, group: ProcessGroup
) -> list[Job]:
    settings.check()
    if settings.measures:
        require_skan()
    require_writable(settings.out, "-o")
    paths = photographs(inputs)
    settings.scale.check_number(len(paths))
    source = find_source(opt, weights, settings.precision, runtime=settings.runtime)
    if settings.minimum_area is None:
        settings = replace(settings, minimum_area=source.minimum_area)
    jobs, left_out = plan(paths, settings, source.scale)
    if not jobs:
        refuse_left_out(left_out, len(paths))
    results = [path for job in jobs for path in (*job.files.values(), *job.others)]
    check_exchange(settings, paths, [settings.out / NAME, *results])
    if settings.measures:
        check_summary(settings)
    made_with = {**settings.record(source.digest, source.device.type, source.precision.name), **source.record}
    to_do = left_to_do(jobs, settings, made_with)
    passed_over = told(inputs)
    group.wait()  # results that another process writes are not earlier ones
    if group.first:
        for line in (*passed_over, *(f"{entry.path} left out: {entry.reason}" for entry in left_out)):
            print(one_line(line), flush=True)
    own, failed = list(group.of(to_do)), []
    if own:
        model = TiledModel(source.load(), source.device, settings.tile, settings.overlap, source.precision)
        settings.out.mkdir(parents=True, exist_ok=True)
        before = f" ({len(jobs) - len(to_do)} more were done before)" if settings.resume else ""
        print(f"{len(own)} photographs{before}, {source.description}", flush=True)
        failed = _photographs(model, own, settings, made_with)
    elif not to_do and group.first:
        print(f"all {len(jobs)} photographs were done before", flush=True)
    everyone = group.gather(failed)
    if everyone is None:
        return own
    left_out += [entry for part in everyone for entry in part]
    lost = {entry.path for entry in left_out}
    done = [job for job in jobs if job.path not in lost]
    write_exchange(settings, done)
    if settings.measures:
        write_summary(settings, done, left_out, REPAIR)
    refuse_left_out(left_out, len(paths))
    return own


def _photographs(model: TiledModel, jobs: list[Job], settings: Settings, made_with: Mapping[str, Any]) -> list[LeftOut]:
    """Do the photographs one after the other; return those that could not be done, whatever it was.

    Raises UserError where the disk refuses, as it would for the next photograph, and KeyboardInterrupt.
    """
    began = time.perf_counter()
    left_out: list[LeftOut] = []
    for number, job in enumerate(jobs, start=1):
        try:
            message = _photograph(model, job, settings, made_with)
        except Unwritable:
            raise
        except KeyboardInterrupt:
            command = shlex.join(["python", *sys.argv, *(() if "--resume" in sys.argv else ("--resume",))])
            done = f"{number - 1 - len(left_out)} of {len(jobs)} photographs are done"
            raise KeyboardInterrupt(f"{done}; to go on: {command}") from None
        except Exception as error:  # a photograph may find any fault, of a library too: the others are worth doing
            left_out.append(LeftOut(job.path, _reason(job, error)))
            message = f"{job.path} left out: {left_out[-1].reason}"
        gone = time.perf_counter() - began
        to_go = gone * _work(jobs[number:], model.scale) / _work(jobs[:number], model.scale)
        rest = f", {format_seconds(to_go)} to go" if number < len(jobs) else ""
        print(f"[{number}/{len(jobs)}{rest}] {one_line(message)}", flush=True)
    return left_out


def _reason(job: Job, error: Exception) -> str:
    """Why a photograph was left out, on one line with its name."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError) or "alloc" in str(error):
        height, width = job.size
        message = f"{job.path}: not enough memory for {width}x{height} pixels"
        return f"{message}; try --restore never, a smaller --tile, or cut it into parts"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    message = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{job.path}: {message} ({Path(frame.filename).name}, line {frame.lineno})"


def _work(jobs: Sequence[Job], scale: int) -> float:
    """Megapixels to segment: what the time is about proportional to."""
    return sum(job.megapixels * (scale**2 if job.restore else 1) for job in jobs)


def _photograph(model: TiledModel, job: Job, settings: Settings, made_with: Mapping[str, Any]) -> str:
    """Do one photograph; return the line about it."""
    began = time.perf_counter()
    refuse_too_large(job, model.scale, settings.measures)
    made = stamp(job, made_with)
    photo = read_photograph(job.path, settings.bits)
    prediction = examine(model, photo, job.restore, settings, job.path.name)
    decided = job.decided(prediction.restored is not None)
    cracks = prediction.cracks() if settings.measures else None
    content = write_results(decided, photo.pixels, prediction, cracks, settings, {**made, **decided_as(decided)})
    return _line(decided, prediction, content, time.perf_counter() - began)


def _line(job: Job, prediction: Prediction, content: Mapping[str, Any] | None, seconds: float) -> str:
    """What is printed about one photograph: size, treatment, cracks, seconds, files, what to know."""
    stem = str(job.files["mask"]).removesuffix("_mask.png")
    kinds = ",".join(kind for kind, path in job.files.items() if path.suffix == ".png")
    more = "".join(f", {path.name}" for path in job.files.values() if path.suffix != ".png")
    height, width = job.size
    notes = prediction.notes
    if prediction.transparent is not None:
        where = (
            f"{100 * prediction.transparent.mean():.1f}% transparent, where nothing is looked for and nothing counted"
        )
        notes = (*notes, where)
    found = f"{100 * prediction.crack_fraction():.2f}% crack"
    if content is not None:
        found += f", {in_words(content)}"
    message = f"{job.path} {width}x{height} {prediction.how}: {found}, {seconds:.1f} s"
    return f"{message} -> {stem}_{{{kinds}}}.png{more}" + "".join(f"; {note}" for note in notes)
