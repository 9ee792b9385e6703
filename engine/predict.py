"""Predictions for photographs of one's own, from the command line's point of view: files in, pictures out."""

from __future__ import annotations

import shlex
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from contracts.errors import UserError
from contracts.files import Unwritable, write_bytes
from contracts.names import one_line
from data.images import passed_over, read_photograph
from engine.experiment import require_writable
from engine.predict_plan import AUTO_MEGAPIXELS, Job, LeftOut, Settings, photographs, plan, refuse_left_out
from engine.predict_resume import left_to_do, stamp, stamped
from engine.predict_source import find_source
from engine.progress import format_seconds
from engine.rle import check_new, write_submission
from engine.share import Share, joined
from engine.tiled_model import TiledModel
from metrics.specks import remove_specks
from tracking.panels import overlay

REPAIR = "make room and go on with --resume, or give another folder with -o"


@dataclass(frozen=True)
class Found:
    """What was found in a photograph of [h,w] pixels.

    probability: float32 [h,w]; fine: the probability where it was segmented, float32
    [h*scale,w*scale] if the photograph was restored, else ``probability``;
    restored: uint8 [h*scale,w*scale,3], or None; transparent: bool [h,w], where nothing was photographed, or None.
    """

    probability: np.ndarray
    fine: np.ndarray
    restored: np.ndarray | None = None
    transparent: np.ndarray | None = None

    def share(self, threshold: float) -> float:
        """Crack pixels among those photographed, 0..1: of the fine mask, which no reduction has thickened."""
        photographed = 1.0 if self.transparent is None else 1 - float(self.transparent.mean())
        return float((self.fine >= threshold).mean()) / photographed if photographed else 0.0


def predict(
    inputs: list[Path], settings: Settings, opt: str | None = None, weights: str | None = None
) -> list[Job]:
    """Segment photographs (and restore them): write the pictures, print a line for each photograph.

    opt, weights: as for ``engine.assess.find``. Raises UserError, before any work for what the user gave, and at
    the end for photographs that could not be done: the others are done all the same. Returns those that were.
    Under torchrun the processes share the photographs; the first alone tells what was left out.
    """
    with joined() as share:
        return _predict(inputs, settings, opt, weights, share)


def _predict(
    inputs: list[Path], settings: Settings, opt: str | None, weights: str | None, share: Share
) -> list[Job]:
    if not 0 < settings.threshold < 1:
        raise UserError(f"--threshold {settings.threshold}: give a value between 0 and 1, such as 0.5")
    if settings.minimum_area is not None and settings.minimum_area < 0:
        raise UserError(f"--min-area {settings.minimum_area}: give a number of pixels, 0 to keep all regions")
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
    made_with = settings.told(source.digest, source.device.type, source.precision.name)
    to_do = left_to_do(jobs, settings, made_with)
    share.wait()  # results that another process writes are not earlier ones
    if share.first:
        _tell_left_out(inputs, left_out)
    own, failed = list(share.of(to_do)), []
    if own:
        model = TiledModel(source.load(), source.device, settings.tile, settings.overlap, source.precision)
        settings.out.mkdir(parents=True, exist_ok=True)
        before = f" ({len(jobs) - len(to_do)} more were done before)" if settings.resume else ""
        print(f"{len(own)} photographs{before}, {source.told}", flush=True)
        failed = _all(model, own, settings, made_with)
    elif not to_do and share.first:
        print(f"all {len(jobs)} photographs were done before", flush=True)
    everyone = share.gather(failed)
    if everyone is None:
        return own
    left_out += [one for part in everyone for one in part]
    lost = {one.path for one in left_out}
    if settings.rle is not None:
        write_submission(settings.rle, ((job.path.name, job.files["mask"]) for job in jobs if job.path not in lost))
    refuse_left_out(left_out, len(paths))
    return own


def _tell_left_out(inputs: list[Path], left_out: Sequence[LeftOut]) -> None:
    """Say, before the work, what of the folders is no photograph, and which photographs cannot be read."""
    for folder in [path for path in inputs if path.is_dir()]:
        others = passed_over(folder)
        if others:
            print(one_line(f"{folder}: passed over {others}"), flush=True)
    for one in left_out:
        print(one_line(f"{one.path} left out: {one.reason}"), flush=True)


def _all(model: TiledModel, jobs: list[Job], settings: Settings, made_with: Mapping[str, Any]) -> list[LeftOut]:
    """Do the photographs one after the other; return those that could not be done, whatever it was.

    Raises UserError where the disk refuses, as it would for the next photograph, and KeyboardInterrupt.
    """
    began, left_out = time.perf_counter(), []
    for number, job in enumerate(jobs, start=1):
        try:
            told = _one(model, job, settings, made_with)
        except Unwritable:
            raise
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_how_to_go_on(number - 1 - len(left_out), len(jobs))) from None
        except Exception as error:  # a photograph may find any fault, of a library too: the others are worth doing
            left_out.append(LeftOut(job.path, _reason(job, error)))
            told = f"{job.path} left out: {left_out[-1].reason}"
        gone = time.perf_counter() - began
        left = gone * _work(jobs[number:], model.scale) / _work(jobs[:number], model.scale)
        rest = f", {format_seconds(left)} to go" if number < len(jobs) else ""
        print(f"[{number}/{len(jobs)}{rest}] {one_line(told)}", flush=True)
    return left_out


def _reason(job: Job, error: Exception) -> str:
    """Why a photograph was left out, on one line with its name."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError) or "alloc" in str(error):
        height, width = job.size
        told = f"{job.path}: not enough memory for {width}x{height} pixels"
        return f"{told}; try --restore never, a smaller --tile, or cut it into parts"
    place = traceback.extract_tb(error.__traceback__)[-1]
    told = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{job.path}: {told} ({Path(place.filename).name}, line {place.lineno})"


def _how_to_go_on(done: int, count: int) -> str:
    """What is said after Ctrl-C."""
    command = shlex.join(["python", *sys.argv, *(() if "--resume" in sys.argv else ("--resume",))])
    return f"{done} of {count} photographs are done; to go on: {command}"


def _work(jobs: Sequence[Job], scale: int) -> float:
    """Megapixels to segment: what the time is about proportional to."""
    return sum(job.megapixels * (scale**2 if job.restore else 1) for job in jobs)


def _one(model: TiledModel, job: Job, settings: Settings, made_with: Mapping[str, Any]) -> str:
    """Do one photograph; return the line about it."""
    began = time.perf_counter()
    made = stamp(job, made_with)
    photo = read_photograph(job.path, settings.bits)
    clean = partial(remove_specks, minimum_area=settings.minimum_area or 0, threshold=settings.threshold)
    found = search(model, photo.pixels, job.restore, job.path.name, clean, photo.transparent)
    write(job, photo.pixels, found, settings.threshold, made)
    return line(job, found, settings, time.perf_counter() - began, photo.notes)


@torch.inference_mode()
def search(
    model: TiledModel, pixels: np.ndarray, restore: bool, name: str = "",
    clean: Callable[[np.ndarray], np.ndarray] = lambda probability: probability,
    transparent: np.ndarray | None = None,
) -> Found:
    """Look for cracks in a photograph uint8 [h,w,3] RGB, taken as a low-resolution one if ``restore``.

    A pixel of the photograph then gets the largest of its scale x scale fine probabilities: it is
    crack if a crack runs through it. Their mean would lose cracks thinner than half a pixel: of the
    true masks of CFD reduced by 4 it drops 23% of the centreline and leaves eight times as many
    pieces, where the largest drops none (and makes the crack area 2.2 times as large).
    clean: what is done to the probability where it was segmented, [H,W], before that.
    transparent: bool [h,w], where nothing was photographed and nothing is found: probability 0.
    """
    photo = torch.from_numpy(pixels).permute(2, 0, 1)[None].float().div_(255)  # [1,3,h,w]
    image, kernel = model.restore(photo, name) if restore else (photo, None)
    fine = model.segment(image, kernel, name)[0, 0].numpy()
    if transparent is not None:
        factor = model.scale if restore else 1
        fine[transparent.repeat(factor, axis=0).repeat(factor, axis=1)] = 0
    fine = clean(fine)
    if not restore:
        return Found(fine, fine, transparent=transparent)
    coarse = F.max_pool2d(torch.from_numpy(fine)[None], model.scale)
    return Found(coarse[0].numpy(), fine, _to_pixels(image[:, :3]), transparent)


def _to_pixels(image: Tensor) -> np.ndarray:
    """[1,3,H,W] -> uint8 [H,W,3]; rounds in place, as a copy of a large image costs too much."""
    return image.clamp_(0, 1).mul_(255).round_().byte()[0].permute(1, 2, 0).numpy()


def write(job: Job, pixels: np.ndarray, found: Found, threshold: float, made: Mapping[str, Any]) -> None:
    """Write the pictures of one photograph [h,w,3], each with what it was ``made`` with.

    Raises UserError where the disk refuses.
    """
    for kind, path in job.files.items():
        if kind == "overlay":
            picture = overlay(pixels, found.probability, threshold)
        elif kind == "restored":
            picture = found.restored
        elif kind == "probability":
            picture = np.round(found.probability * 255).astype(np.uint8)
        else:
            probability = found.probability if kind == "mask" else found.fine
            picture = (probability >= threshold) * np.uint8(255)
        ordered = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if picture.ndim == 3 else picture
        write_bytes(path, stamped(cv2.imencode(".png", ordered)[1].data, made), REPAIR)


def line(job: Job, found: Found, settings: Settings, seconds: float, notes: Sequence[str]) -> str:
    """What is printed about one photograph: size, treatment, crack pixels in percent, seconds, files, what to know.

    notes: what had to be assumed to read it.
    """
    if job.restore:
        how = f"restored x{found.fine.shape[0] // job.size[0]}"
    elif settings.restore == "auto":
        how = f"not restored (above {AUTO_MEGAPIXELS} megapixels cracks are wide enough as they are)"
    else:
        how = "not restored"
    share = 100 * found.share(settings.threshold)
    stem, kinds = str(job.files["mask"]).removesuffix("_mask.png"), ",".join(job.files)
    height, width = job.size
    if found.transparent is not None:
        where = f"{100 * found.transparent.mean():.1f}% transparent, where nothing is looked for and nothing counted"
        notes = (*notes, where)
    told = f"{job.path} {width}x{height} {how}: {share:.2f}% crack, {seconds:.1f} s -> {stem}_{{{kinds}}}.png"
    return told + "".join(f"; {note}" for note in notes)
