"""Writing what was found in one photograph: pictures and, where cracks are measured, the files about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from contracts.files import write_bytes
from data.exif import read_camera_data
from engine.predict.crack_files import as_json, geojson, in_words, report
from engine.predict.photo import Prediction
from engine.predict.plan import Job, Settings
from engine.predict.resume import stamp_of, stamped
from metrics.geometry import Crack
from visualization.panels import overlay
from visualization.widths import Legend, width_overlay

REPAIR = "make room and go on with --resume, or give another folder with -o"


def write_results(
    job: Job,
    pixels: np.ndarray,
    prediction: Prediction,
    cracks: Sequence[Crack] | None,
    settings: Settings,
    made: Mapping[str, Any],
) -> dict[str, Any] | None:
    """Write the files of one photograph, and remove those of an earlier run that would contradict them.

    Args:
        job: that is done.
        pixels: of the photograph, uint8 RGB [h,w,3].
        prediction: what was found.
        cracks: in pixels of the photograph; None where they were not measured.
        settings: what the user chose.
        made: what the results were made with; each file tells it.

    Returns:
        What was written about the cracks, if they were measured.

    Raises:
        UserError: where the disk refuses.
    """
    camera = read_camera_data(job.path)
    content = None if cracks is None else report(job, prediction, cracks, camera, settings, made)
    for kind, path in job.files.items():
        if kind in ("cracks", "geojson"):
            assert content is not None  # there is such a file
            write_bytes(path, as_json(content if kind == "cracks" else geojson(content)), REPAIR)
            continue
        if kind == "overlay" and content is not None:
            picture = _widths(pixels, prediction, cracks or (), content)
        else:
            picture = _picture(kind, pixels, prediction)
        ordered = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if picture.ndim == 3 else picture
        write_bytes(path, stamped(cv2.imencode(".png", ordered)[1].data, made, camera.exif), REPAIR)
    for path in job.others:
        if path.exists() and stamp_of(path) is not None:
            path.unlink()
    return content


def _widths(
    pixels: np.ndarray, prediction: Prediction, cracks: Sequence[Crack], content: Mapping[str, Any]
) -> np.ndarray:
    """The overlay of measured cracks."""
    scale, text, place = content["scale"], in_words(content), content["max_width"]
    highest = 0.0 if place is None else place["px"]
    legend = Legend(text=text, highest=highest)
    if scale is not None:
        legend = Legend(scale["mm_per_pixel"], "mm", text, highest)
    lines = [line for crack in cracks for line in crack.lines]
    widths = [width for crack in cracks for width in crack.widths]
    widest = None if place is None else (place["row"], place["column"])
    return width_overlay(pixels, prediction.mask, lines, widths, legend, widest)


def _picture(kind: str, pixels: np.ndarray, prediction: Prediction) -> np.ndarray:
    """Another picture, uint8 RGB [H,W,3] or grey [H,W]."""
    if kind == "overlay":
        return overlay(pixels, prediction.probability, prediction.threshold)
    if kind == "restored":
        assert prediction.restored is not None  # there is such a file
        return prediction.restored
    if kind == "probability":
        return np.round(prediction.probability * 255).astype(np.uint8)
    return (prediction.mask if kind == "mask" else prediction.fine_mask) * np.uint8(255)
