"""Predictions for photographs of one's own, from the command line's point of view: files in, pictures out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from contracts.errors import UserError
from contracts.files import write_bytes
from data.images import read_image
from engine.assess import default_device, find, load_model
from engine.experiment import require_writable
from engine.onnx_model import OnnxModel, read_onnx
from engine.predict_plan import AUTO_MEGAPIXELS, Job, Settings, photographs, plan
from engine.progress import format_seconds
from engine.rle import Submission, check_new
from engine.share import Share, joined
from engine.tiled_model import TiledModel
from metrics.specks import remove_specks
from models.whole import Model
from tracking.panels import overlay


@dataclass(frozen=True)
class Found:
    """What was found in a photograph of [h,w] pixels.

    probability: float32 [h,w]; fine: the probability where it was segmented, float32
    [h*scale,w*scale] if the photograph was restored, else ``probability``;
    restored: uint8 [h*scale,w*scale,3], or None.
    """

    probability: np.ndarray
    fine: np.ndarray
    restored: np.ndarray | None = None


def predict(
    inputs: list[Path], settings: Settings, opt: str | None = None, weights: str | None = None
) -> list[Job]:
    """Segment photographs (and restore them): write the pictures, print a line for each photograph.

    opt, weights: as for ``engine.assess.find``. Raises UserError, before any work for all that can be
    known then. A photograph that turns out to be broken when it is decoded is left out, and told at the end.
    Under torchrun the processes share the photographs.
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
    source = find_source(opt, weights)
    if settings.minimum_area is None:
        settings = replace(settings, minimum_area=source.minimum_area)
    jobs = share.of(plan(paths, settings, source.scale))
    if settings.rle is not None:
        if share.world > 1:
            raise UserError(f"--rle {settings.rle}: several processes cannot write one file; use one")
        check_new(settings.rle, settings.overwrite)
    share.wait()  # results that another process writes are not earlier ones
    model = TiledModel(source.load(), source.device, settings.tile, settings.overlap)
    settings.out.mkdir(parents=True, exist_ok=True)
    print(f"{len(jobs)} photographs, {source.told}", flush=True)
    submission = None if settings.rle is None else Submission(settings.rle)
    _all(model, jobs, settings, submission)
    return jobs


@dataclass(frozen=True)
class Source:
    """Where the network comes from: its scale, the area of specks, its device, what is told of it, how to load it."""

    scale: int
    minimum_area: int
    device: torch.device
    told: str
    load: Callable[[], Model | OnnxModel]


def find_source(opt: str | None, weights: str | None) -> Source:
    """An exported model if ``weights`` ends in .onnx, else as ``engine.assess.find`` does. Raises UserError."""
    if weights is None or not weights.lower().endswith(".onnx"):
        options, content, path = find(opt, weights, [])
        device = default_device()
        told = f"{path} (step {content['step']}), on {device}"
        area = options.postprocess.minimum_area
        return Source(options.scale, area, device, told, partial(load_model, options, content, path))
    if opt is not None:
        raise UserError(f"-opt {opt}: {weights} holds its own options; leave -opt out")
    model = read_onnx(Path(weights))
    told = f"{weights} (step {model.step}), in onnxruntime"
    return Source(model.scale, model.minimum_area, torch.device("cpu"), told, lambda: model)


def _all(model: TiledModel, jobs: list[Job], settings: Settings, submission: Submission | None) -> None:
    """Do the photographs one after the other. Raises UserError at the end for those that cannot be decoded."""
    began, broken = time.perf_counter(), []
    for number, job in enumerate(jobs, start=1):
        try:
            pixels = read_image(job.path)
        except UserError as error:
            broken.append(error)
            told = f"{job.path} left out: it cannot be read"
        else:
            told = _one(model, job, pixels, settings, submission)
        gone = time.perf_counter() - began
        left = gone * _work(jobs[number:], model.scale) / _work(jobs[:number], model.scale)
        rest = f", {format_seconds(left)} to go" if number < len(jobs) else ""
        print(f"[{number}/{len(jobs)}{rest}] {told}", flush=True)
    if broken:
        raise UserError(f"{len(broken)} of {len(jobs)} photographs left out, first: {broken[0]}")


def _work(jobs: list[Job], scale: int) -> float:
    """Megapixels to segment: what the time is about proportional to."""
    return sum(job.megapixels * (scale**2 if job.restore else 1) for job in jobs)


def _one(
    model: TiledModel, job: Job, pixels: np.ndarray, settings: Settings, submission: Submission | None
) -> str:
    """Do one photograph uint8 [h,w,3]; return the line about it."""
    began = time.perf_counter()
    clean = partial(remove_specks, minimum_area=settings.minimum_area or 0, threshold=settings.threshold)
    found = search(model, pixels, job.restore, job.path.name, clean)
    write(job, pixels, found, settings.threshold)
    if submission is not None:
        submission.add(job.path.name, found.probability >= settings.threshold)
    return line(job, found, settings, time.perf_counter() - began)


@torch.inference_mode()
def search(
    model: TiledModel, pixels: np.ndarray, restore: bool, name: str = "",
    clean: Callable[[np.ndarray], np.ndarray] = lambda probability: probability,
) -> Found:
    """Look for cracks in a photograph uint8 [h,w,3] RGB, taken as a low-resolution one if ``restore``.

    A pixel of the photograph then gets the largest of its scale x scale fine probabilities: it is
    crack if a crack runs through it. Their mean would lose cracks thinner than half a pixel: of the
    true masks of CFD reduced by 4 it drops 23% of the centreline and leaves eight times as many
    pieces, where the largest drops none (and makes the crack area 2.2 times as large).
    clean: what is done to the probability where it was segmented, [H,W], before that.
    """
    photo = torch.from_numpy(pixels).permute(2, 0, 1)[None].float().div_(255)  # [1,3,h,w]
    if not restore:
        probability = clean(model.segment(photo, name=name)[0, 0].numpy())
        return Found(probability, probability)
    image, kernel = model.restore(photo, name)
    fine = clean(model.segment(image, kernel, name)[0, 0].numpy())
    coarse = F.max_pool2d(torch.from_numpy(fine)[None], model.scale)
    return Found(coarse[0].numpy(), fine, _to_pixels(image[:, :3]))


def _to_pixels(image: Tensor) -> np.ndarray:
    """[1,3,H,W] -> uint8 [H,W,3]; rounds in place, as a copy of a large image costs too much."""
    return image.clamp_(0, 1).mul_(255).round_().byte()[0].permute(1, 2, 0).numpy()


def write(job: Job, pixels: np.ndarray, found: Found, threshold: float) -> None:
    """Write the pictures of one photograph [h,w,3]. Raises UserError where the disk refuses."""
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
        _write_png(path, picture)


def _write_png(path: Path, picture: np.ndarray) -> None:
    ordered = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if picture.ndim == 3 else picture
    write_bytes(path, cv2.imencode(".png", ordered)[1].data, "make room, or give another folder with -o")


def line(job: Job, found: Found, settings: Settings, seconds: float) -> str:
    """What is printed about one photograph: size, treatment, crack pixels in percent, seconds, files.

    The percentage is that of the fine mask, which the reduction to the photograph's pixels has not thickened.
    """
    if job.restore:
        how = f"restored x{found.fine.shape[0] // job.size[0]}"
    elif settings.restore == "auto":
        how = f"not restored (above {AUTO_MEGAPIXELS} megapixels cracks are wide enough as they are)"
    else:
        how = "not restored"
    share = 100 * float((found.fine >= settings.threshold).mean())
    stem, kinds = str(job.files["mask"]).removesuffix("_mask.png"), ",".join(job.files)
    height, width = job.size
    return f"{job.path} {width}x{height} {how}: {share:.2f}% crack, {seconds:.1f} s -> {stem}_{{{kinds}}}.png"
