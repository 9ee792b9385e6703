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

import cv2
import numpy as np
import torch

from contracts.errors import UserError
from contracts.files import Unwritable, write_bytes
from contracts.names import one_line
from data.images import read_photograph
from engine.predict.inputs import photographs, told
from engine.predict.photo import Prediction, examine
from engine.predict.plan import Job, LeftOut, Settings, plan, refuse_left_out
from engine.predict.resume import decided_as, left_to_do, stamp, stamp_of, stamped
from engine.predict.rle import check_new, write_submission
from engine.predict.source import find_source
from engine.predict.tiled_model import TiledModel
from engine.runtime.distributed import ProcessGroup, joined
from engine.runtime.experiment import require_writable
from engine.runtime.progress import format_seconds
from visualization.panels import overlay

REPAIR = "make room and go on with --resume, or give another folder with -o"


def predict(inputs: list[Path], settings: Settings, opt: str | None = None, weights: str | None = None) -> list[Job]:
    """Segment photographs (and restore them): write the pictures, print a line for each photograph.

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
    require_writable(settings.out, "-o")
    paths = photographs(inputs)
    source = find_source(opt, weights, settings.precision)
    if settings.minimum_area is None:
        settings = replace(settings, minimum_area=source.minimum_area)
    jobs, left_out = plan(paths, settings, source.scale)
    if not jobs:
        refuse_left_out(left_out, len(paths))
    if settings.rle is not None:
        check_new(settings.rle, paths, settings.overwrite, settings.resume)
    made_with = settings.record(source.digest, source.device.type, source.precision.name)
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
    if settings.rle is not None:
        write_submission(settings.rle, ((job.path.name, job.files["mask"]) for job in jobs if job.path not in lost))
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
    made = stamp(job, made_with)
    photo = read_photograph(job.path, settings.bits)
    prediction = examine(model, photo, job.restore, settings, job.path.name)
    decided = job.decided(prediction.restored is not None)
    _write(decided, photo.pixels, prediction, {**made, **decided_as(decided)})
    for path in [job.files[kind] for kind in job.files.keys() - decided.files.keys()]:
        if path.exists() and stamp_of(path) is not None:  # of an earlier run of ours: it would contradict
            path.unlink()
    return _line(decided, prediction, time.perf_counter() - began)


def _write(job: Job, pixels: np.ndarray, prediction: Prediction, made: Mapping[str, Any]) -> None:
    """Write the pictures of one photograph [h,w,3], each with what it was ``made`` with.

    Raises UserError where the disk refuses.
    """
    for kind, path in job.files.items():
        if kind == "overlay":
            picture = overlay(pixels, prediction.probability, prediction.threshold)
        elif kind == "restored":
            assert prediction.restored is not None  # there is such a file
            picture = prediction.restored
        elif kind == "probability":
            picture = np.round(prediction.probability * 255).astype(np.uint8)
        else:
            picture = (prediction.mask if kind == "mask" else prediction.fine_mask) * np.uint8(255)
        ordered = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if picture.ndim == 3 else picture
        write_bytes(path, stamped(cv2.imencode(".png", ordered)[1].data, made), REPAIR)


def _line(job: Job, prediction: Prediction, seconds: float) -> str:
    """What is printed about one photograph: size, treatment, crack pixels in percent, seconds, files, what to know."""
    stem, kinds = str(job.files["mask"]).removesuffix("_mask.png"), ",".join(job.files)
    height, width = job.size
    notes = prediction.notes
    if prediction.transparent is not None:
        where = (
            f"{100 * prediction.transparent.mean():.1f}% transparent, where nothing is looked for and nothing counted"
        )
        notes = (*notes, where)
    message = (
        f"{job.path} {width}x{height} {prediction.how}: {100 * prediction.crack_fraction():.2f}% crack, {seconds:.1f} s"
    )
    return f"{message} -> {stem}_{{{kinds}}}.png" + "".join(f"; {note}" for note in notes)
