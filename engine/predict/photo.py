"""What is found in one photograph: the one way from its pixels to cracks, for scripts and for ``csbsr``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from contracts.errors import UserError
from data.images import Photograph
from engine.predict.plan import Settings
from engine.predict.restore_rule import how, is_thin, least_seen, width_of
from engine.predict.tiled_model import TiledModel
from engine.runtime.precision import FLOAT32
from metrics.branches import EIGHT
from metrics.enlarged import reduced
from metrics.geometry import Crack, measure
from metrics.small_regions import remove_small_regions
from models.base import Maps

NOT_FINITE = "gave an answer that is not finite"


@dataclass(frozen=True)
class Prediction:
    """What was found in a photograph of [h,w] pixels, and how.

    Attributes:
        probability: float32 [h,w] in [0, 1].
        fine: the probability where it was segmented, float32 [h*scale,w*scale] if the photograph was restored, else
            ``probability``.
        restored: uint8 [h*scale,w*scale,3], or None.
        kernel: the estimated blur, float32 [k,k] summing to 1; None where nothing was restored or the network
            estimates none.
        transparent: bool [h,w], where nothing was photographed, or None.
        threshold: crack from this probability on.
        scale: of the restored image, 1 if there is none.
        how: "restored x4" or "not restored", with the reason.
        width: mean width in pixels of the cracks that decided about that; None where there were none or nothing was
            decided.
        precision: in which the networks computed the answer.
        notes: what had to be assumed, or done again.
        photograph: that was looked at, uint8 [h,w,3]: widths are measured across it, or across ``restored``; None:
            across the probability.
    """

    probability: np.ndarray
    fine: np.ndarray
    restored: np.ndarray | None = None
    kernel: np.ndarray | None = None
    transparent: np.ndarray | None = None
    threshold: float = 0.5
    scale: int = 1
    how: str = ""
    width: float | None = None
    precision: str = FLOAT32.name
    notes: tuple[str, ...] = ()
    photograph: np.ndarray | None = None

    @property
    def mask(self) -> np.ndarray:
        """Where cracks are, bool [h,w]."""
        return self.probability >= self.threshold

    @property
    def fine_mask(self) -> np.ndarray:
        """Where cracks are in the restored image, bool [h*scale,w*scale]: use this one to measure widths and areas."""
        return self.fine >= self.threshold

    def cracks(self, minimum_length: float = 0.0) -> list[Crack]:
        """How long and wide the cracks are: measured where it was segmented, told in pixels of the photograph.

        Args:
            minimum_length: shorter cracks, and such as are too small to have a length, are left out, pixels of the
                photograph; 0: none are.

        Returns:
            The largest first.

        Raises:
            UserError: without skan.
        """
        image = self.photograph if self.restored is None else self.restored
        grey = None if image is None else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        cracks = [reduced(crack, self.scale) for crack in self._fine_cracks(grey)]
        return [crack for crack in cracks if _is_long(crack, minimum_length)]

    def without_short(self, minimum_length: float) -> Prediction:
        """The same without the cracks that ``cracks`` leaves out: their probability is just below the threshold.

        Args:
            minimum_length: as of ``cracks``.

        Raises:
            UserError: without skan.
        """
        short = {crack.box for crack in self._fine_cracks() if not _is_long(reduced(crack, self.scale), minimum_length)}
        if not short:
            return self
        labels, _ = ndimage.label(self.fine_mask, EIGHT)
        fine = self.fine.copy()
        for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
            # no two regions have one box: what runs across it cuts off what runs down
            if (rows.start, columns.start, rows.stop, columns.stop) in short:
                fine[rows, columns][labels[rows, columns] == number] = just_below(self.threshold)
        return replace(self, fine=fine, probability=largest_of_cells(fine, self.scale))

    def _fine_cracks(self, grey: np.ndarray | None = None) -> list[Crack]:
        return measure(self.fine, float(just_below(self.threshold)), grey)  # "above" there is "from it on" here

    def crack_fraction(self, threshold: float | None = None) -> float:
        """Crack pixels among those photographed, 0..1: of the fine mask, which no reduction has thickened."""
        photographed = 1.0 if self.transparent is None else 1 - float(self.transparent.mean())
        crack = self.fine >= (self.threshold if threshold is None else threshold)
        return float(crack.mean()) / photographed if photographed else 0.0


def just_below(threshold: float) -> np.float32:
    """The largest probability that is no crack."""
    return np.nextafter(np.float32(threshold), np.float32(0))


def _is_long(crack: Crack, minimum_length: float) -> bool:
    return minimum_length <= 0 or (crack.length is not None and crack.length.value >= minimum_length)


def largest_of_cells(fine: np.ndarray, scale: int) -> np.ndarray:
    """The largest of each scale x scale values of a map [h*scale,w*scale]."""
    return fine if scale == 1 else F.max_pool2d(torch.from_numpy(fine)[None], scale)[0].numpy()


def examine(
    model: TiledModel, photo: Photograph, restore: bool | None, settings: Settings, name: str = ""
) -> Prediction:
    """Look for cracks in a photograph as the settings say.

    Args:
        model: that looks.
        photo: as it was read.
        restore: whether to take it as a low-resolution one, as ``engine.predict.restore_rule.restores`` decides.
        settings: threshold, minimum_area and minimum_length are used, and ``restore`` for the description.
        name: for the progress and errors.

    Raises:
        UserError: as ``search``.
    """
    clean = partial(remove_small_regions, minimum_area=settings.minimum_area or 0, threshold=settings.threshold)
    least = least_seen(settings.minimum_area or 0)
    prediction = search(model, photo.pixels, restore, name, clean, photo.transparent, settings.threshold, least)
    description = how(settings.restore, prediction.scale, prediction.width, looked=restore is None)
    if settings.minimum_length > 0:
        prediction = prediction.without_short(settings.minimum_length)
    return replace(prediction, how=description, notes=(*photo.notes, *prediction.notes))


@torch.inference_mode()
def search(
    model: TiledModel,
    pixels: np.ndarray,
    restore: bool | None,
    name: str = "",
    clean: Callable[[np.ndarray], np.ndarray] = lambda probability: probability,
    transparent: np.ndarray | None = None,
    threshold: float = 0.5,
    least: int = 1,
) -> Prediction:
    """Look for cracks in a photograph.

    A pixel of a photograph that was restored gets the largest of its scale x scale fine probabilities: it is
    crack if a crack runs through it. Their mean would lose cracks thinner than half a pixel: of the
    true masks of CFD reduced by 4 it drops 23% of the centreline and leaves eight times as many
    pieces, where the largest drops none (and makes the crack area 2.2 times as large).

    An answer of less than float32 that is not finite, or in which nothing reaches ``threshold``, is computed again
    in float32, and noted.

    Args:
        model: that looks.
        pixels: uint8 [h,w,3] RGB.
        restore: whether to take it as a low-resolution one; None: first as it is, and then restored if cracks are
            seen, of ``least`` pixels in all, that are thin (``engine.predict.restore_rule``).
        name: for the progress and errors.
        clean: what is done to the probability where it was segmented, [H,W], before it is reduced.
        transparent: bool [h,w], where nothing was photographed and nothing is found: probability 0.
        threshold: crack from this probability on.
        least: pixels in all from which on cracks are seen.

    Raises:
        UserError: for an answer that is not finite in float32.
    """
    photo = torch.tensor(pixels).permute(2, 0, 1)[None]  # uint8 [1,3,h,w]
    answer, used, notes = _sure_answer(model, photo, bool(restore), transparent, threshold, name)
    width = None
    if restore is None:
        width = width_of(answer.fine, threshold, least)
        restore = is_thin(width)
        if restore:
            answer, used, notes = _sure_answer(model, photo, True, transparent, threshold, name)
    restored = None if answer.image is None else _as_bytes(answer.image)
    answer = replace(answer, image=None)  # its memory is needed for what follows
    fine = clean(answer.fine)
    prediction = Prediction(
        fine,
        fine,
        transparent=transparent,
        threshold=threshold,
        width=width,
        precision=used,
        notes=notes,
        photograph=pixels,
    )
    if restored is None:
        return prediction
    coarse = largest_of_cells(fine, model.scale)
    return replace(prediction, probability=coarse, restored=restored, kernel=answer.kernel, scale=model.scale)


def _as_bytes(image: Tensor) -> np.ndarray:
    """An image [1,3,H,W] in [0,1] as uint8 [H,W,3]; it is overwritten, as a copy of a large one costs too much."""
    bands = image[0].clamp_(0, 1).mul_(255).round_()
    pixels = np.empty((*bands.shape[1:], 3), np.uint8)
    for index, band in enumerate(bands):
        pixels[:, :, index] = band.numpy()
    return pixels


@dataclass(frozen=True)
class _Answer:
    """Of a model: the probability [H,W] where it was segmented; restored image [1,3,H,W] and kernel [k,k], or None."""

    fine: np.ndarray
    image: Tensor | None = None
    kernel: np.ndarray | None = None

    def failure(self, threshold: float) -> str | None:
        """What makes it doubtful, a phrase; None if nothing does."""
        extremes = [float(self.fine.min()), float(self.fine.max())]
        if self.image is not None:  # of the extremes, as a map of what is finite takes the image's memory twice more
            extremes += [float(value) for value in torch.aminmax(self.image)]
        if not np.isfinite(extremes).all():
            return NOT_FINITE
        return None if extremes[1] >= threshold else "found nothing"


def _sure_answer(
    model: TiledModel, photo: Tensor, restore: bool, transparent: np.ndarray | None, threshold: float, name: str
) -> tuple[_Answer, str, tuple[str, ...]]:
    """``_answer``, done again in float32 where it is doubtful; with the precision used and what is to be noted."""
    factor = model.scale if restore else 1
    nowhere = None if transparent is None else transparent.repeat(factor, axis=0).repeat(factor, axis=1)
    notes: tuple[str, ...] = ()
    answer = _answer(model, photo, restore, nowhere, name)
    failed = answer.failure(threshold)
    if failed is not None and model.precision.dtype != torch.float32:
        notes = (f"done again in float32, as {model.precision.name} {failed}",)
        model = TiledModel(model.model, model.device, model.tile, model.overlap)
        answer = _answer(model, photo, restore, nowhere, name)
        failed = answer.failure(threshold)
    if failed == NOT_FINITE:
        raise UserError(f"{name}: the network's answer in float32 is not finite; give other weights")
    return answer, model.precision.name, notes


def _answer(model: TiledModel, photo: Tensor, restore: bool, nowhere: np.ndarray | None, name: str) -> _Answer:
    """What the model says of a photograph [1,3,h,w], with the probability 0 ``nowhere``."""
    maps, kernel = model.restore(photo, name) if restore else (Maps(photo), None)
    fine = model.segment(maps, kernel, name)[0, 0].numpy()
    if nowhere is not None:
        fine[nowhere] = 0
    if not restore:
        return _Answer(fine)
    return _Answer(fine, maps.image, None if kernel is None else kernel[0, 0].float().cpu().numpy())
