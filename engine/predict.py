"""Predictions for photographs of one's own, from the command line's point of view: files in, pictures out."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from contracts.errors import UserError
from data.images import image_size, list_images, read_image
from engine.assess import default_device, find, load_model
from engine.progress import format_seconds
from engine.tiled_model import TiledModel
from tracking.panels import overlay

AUTO_MEGAPIXELS = 1.5  # --restore auto restores photographs up to this size
SMALLEST = 8  # px


@dataclass(frozen=True)
class Settings:
    """What the user chose: folder of results, when to restore (auto, always, never), decision threshold,
    tile and overlap in pixels, and whether earlier results may be overwritten."""

    out: Path = Path("results")
    restore: str = "auto"
    threshold: float = 0.5
    tile: int = 256
    overlap: int = 32
    overwrite: bool = False


@dataclass(frozen=True)
class Job:
    """One photograph: its file and size (height, width), whether to restore it, and its files by kind."""

    path: Path
    size: tuple[int, int]
    restore: bool
    files: dict[str, Path]

    @property
    def megapixels(self) -> float:
        return self.size[0] * self.size[1] / 1e6


def photographs(inputs: list[Path]) -> list[Path]:
    """Every photograph of the files and folders given, each once. Raises UserError for anything else."""
    found = {path.resolve(): path for given in inputs for path in list_images(given)}
    return list(found.values())


def output_names(paths: list[Path]) -> list[str]:
    """A name for each file's results, no two alike (also where case does not count): its stem; among
    files of one stem FOLDER_STEM, or STEM_SUFFIX in one folder; then numbered."""
    stems = Counter(path.stem.casefold() for path in paths)
    folders = Counter((path.stem.casefold(), path.resolve().parent.name.casefold()) for path in paths)
    taken = set(stems)
    names = []
    for path in paths:
        folder = path.resolve().parent.name
        name = path.stem
        if stems[path.stem.casefold()] > 1:
            if folders[path.stem.casefold(), folder.casefold()] == 1:
                name = f"{folder}_{path.stem}"
            else:
                name = f"{path.stem}_{path.suffix[1:]}"
            name = _free(name, taken)
            taken.add(name.casefold())
        names.append(name)
    return names


def _free(name: str, taken: set[str]) -> str:
    """``name``, or the first of name_2, name_3, ... that is not taken."""
    number, free = 1, name
    while free.casefold() in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def plan(paths: list[Path], settings: Settings, scale: int) -> list[Job]:
    """What to do and what it will write, decided from the files' headers.

    Raises UserError, before any work, for unreadable or tiny photographs, and where a result exists
    already (unless ``overwrite``) or would replace one of the photographs.
    """
    jobs = []
    for path, name in zip(paths, output_names(paths), strict=True):
        height, width = image_size(path)
        if min(height, width) < SMALLEST:
            raise UserError(f"{path}: {width}x{height} pixels are too few; give at least {SMALLEST} a side")
        small = height * width <= AUTO_MEGAPIXELS * 1e6
        restore = settings.restore == "always" or (settings.restore == "auto" and small)
        kinds = ["mask", "overlay", "probability"] + (["restored", f"mask_x{scale}"] if restore else [])
        files = {kind: settings.out / f"{name}_{kind}.png" for kind in kinds}
        jobs.append(Job(path, (height, width), restore, files))
    _refuse_overwriting(jobs, settings)
    return jobs


def _refuse_overwriting(jobs: list[Job], settings: Settings) -> None:
    if settings.out.exists() and not settings.out.is_dir():
        raise UserError(f"-o {settings.out}: a file is in the way; give a folder")
    sources = {job.path.resolve() for job in jobs}
    for path in (path for job in jobs for path in job.files.values()):
        if path.resolve() in sources:
            raise UserError(f"{path}: this photograph would be replaced by a result; give another folder with -o")
        if path.exists() and not settings.overwrite:
            raise UserError(f"{path} exists already; give --overwrite to replace it, or another folder with -o")


@dataclass(frozen=True)
class Found:
    """What was found in a photograph of [h,w]: probability float32 [h,w]; fine: the probability where it
    was segmented, [h*scale,w*scale] if restored, else the same array; restored: uint8 [H,W,3] or None."""

    probability: np.ndarray
    fine: np.ndarray
    restored: np.ndarray | None = None


@torch.inference_mode()
def search(model: TiledModel, pixels: np.ndarray, restore: bool, name: str) -> Found:
    """Look for cracks in a photograph uint8 [h,w,3] RGB.

    A pixel of the photograph gets the largest of its scale x scale fine probabilities: it is crack if a
    crack runs through it. The mean would lose cracks thinner than half a pixel: reducing CFD's true
    masks by 4 it drops 23% of the centreline and breaks a crack into eight pieces on average.
    """
    photo = torch.from_numpy(pixels).permute(2, 0, 1)[None].float().div_(255)  # [1,3,h,w]
    if not restore:
        fine = model.segment(photo, name=name)
        return Found(fine[0, 0].numpy(), fine[0, 0].numpy())
    image, kernel = model.restore(photo, name)
    fine = model.segment(image, kernel, name)
    reduced = F.max_pool2d(fine, model.model.scale)
    return Found(reduced[0, 0].numpy(), fine[0, 0].numpy(), _to_pixels(image[:, :3]))


def _to_pixels(image: Tensor) -> np.ndarray:
    """[1,3,H,W] -> uint8 [H,W,3]; rounds in place, since a copy of a large image would cost too much."""
    return image.clamp_(0, 1).mul_(255).round_().byte()[0].permute(1, 2, 0).numpy()


def write(job: Job, pixels: np.ndarray, found: Found, threshold: float, scale: int) -> None:
    """Write the pictures of one photograph. Raises UserError where the disk refuses."""
    mask = found.probability >= threshold
    made = {
        "mask": mask * np.uint8(255),
        "overlay": overlay(pixels, found.probability, threshold),
        "probability": np.round(found.probability * 255).astype(np.uint8),
    }
    if found.restored is not None:
        made |= {"restored": found.restored, f"mask_x{scale}": (found.fine >= threshold) * np.uint8(255)}
    for kind, path in job.files.items():
        _write_png(path, made[kind])


def _write_png(path: Path, picture: np.ndarray) -> None:
    ordered = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if picture.ndim == 3 else picture
    try:
        path.write_bytes(cv2.imencode(".png", ordered)[1])
    except OSError as error:
        raise UserError(f"{path}: cannot write ({error.strerror}); give another folder with -o") from None


def line(job: Job, found: Found, settings: Settings, scale: int, seconds: float) -> str:
    """The line that is printed about one photograph."""
    how = f"restored x{scale}" if job.restore else "segmented as it is"
    if not job.restore and settings.restore == "auto":
        how += f" ({job.megapixels:.1f} megapixels: above {AUTO_MEGAPIXELS}, cracks show without restoring)"
    share = 100 * float((found.fine >= settings.threshold).mean())
    stem, kinds = str(job.files["mask"]).removesuffix("_mask.png"), ",".join(job.files)
    height, width = job.size
    return f"{job.path} {width}x{height} {how}: {share:.2f}% crack, {seconds:.1f} s -> {stem}_{{{kinds}}}.png"


def _work(jobs: list[Job], scale: int) -> float:
    """Megapixels to segment, which the time is proportional to."""
    return sum(job.megapixels * (scale**2 if job.restore else 1) for job in jobs)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"-o {folder}: cannot be made ({error.strerror}); give another folder") from None


def predict(inputs: list[Path], settings: Settings, opt: str | None = None, weights: str | None = None) -> list[Job]:
    """Segment (and restore) photographs; write pictures and print a line for each. Raises UserError."""
    if not 0 < settings.threshold < 1:
        raise UserError(f"--threshold {settings.threshold}: give a probability between 0 and 1, such as 0.5")
    paths = photographs(inputs)
    options, content, source = find(opt, weights, [])
    jobs = plan(paths, settings, options.scale)
    model = TiledModel(load_model(options, content, source), default_device(), settings.tile, settings.overlap)
    _make_folder(settings.out)
    print(f"{len(jobs)} photographs with {source} (step {content['step']}) on {model.device}")
    began = time.perf_counter()
    for number, job in enumerate(jobs, start=1):
        started = time.perf_counter()
        pixels = read_image(job.path)
        found = search(model, pixels, job.restore, job.path.name)
        write(job, pixels, found, settings.threshold, options.scale)
        now = time.perf_counter()
        left = (now - began) * _work(jobs[number:], options.scale) / _work(jobs[:number], options.scale)
        rest = f", {format_seconds(left)} to go" if number < len(jobs) else ""
        print(f"[{number}/{len(jobs)}{rest}] {line(job, found, settings, options.scale, now - started)}", flush=True)
    return jobs
