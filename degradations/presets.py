"""Degradations by name, and the way from options to a pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from contracts.errors import lookup
from degradations.pipeline import Pipeline

Steps = Sequence[Mapping[str, object]]

KONDO_UKITA: Steps = (
    {"type": "blur", "kernel": "anisotropic_gaussian", "sigma": [0.2, 4.0], "theta": [0, 180]},
    {"type": "downscale"},
)
"""Kondo & Ukita, IEEE TIM 73, 2024: anisotropic Gaussian and anti-aliased bicubic, no noise, no JPEG."""

FIELD: Steps = (
    {
        "type": "blur",
        "mixture": [
            {"kernel": "anisotropic_gaussian", "weight": 0.4, "sigma": [0.2, 4.0], "theta": [0, 180]},
            {"kernel": "isotropic_gaussian", "weight": 0.2, "sigma": [0.2, 4.0]},
            {"kernel": "motion", "weight": 0.2, "length": [2, 15], "angle": [0, 180]},
            {"kernel": "disk", "weight": 0.2, "radius": [0.5, 5.0]},
        ],
    },
    {"type": "downscale"},
    {"type": "poisson_noise", "peak": [400, 4000]},
    {"type": "gaussian_noise", "sigma": [0.0, 0.02]},
    {"type": "jpeg", "quality": [40, 95]},
)
"""Ours, beyond the paper: a hand-held or vehicle camera. Poor focus, motion, sensor noise and a JPEG file.

A mid-grey pixel gets shot noise of 0.011 to 0.035 (standard deviation, range [0, 1])."""

STRONG: Steps = (
    {
        "type": "blur",
        "mixture": [  # two ranges of a kind: the wide half is rare, for what it leaves of a thin crack
            {"kernel": "anisotropic_gaussian", "weight": 0.3, "sigma": [0.2, 3.0], "theta": [0, 180]},
            {"kernel": "anisotropic_gaussian", "weight": 0.1, "sigma": [2.0, 5.0], "theta": [0, 180]},
            {"kernel": "isotropic_gaussian", "weight": 0.1, "sigma": [0.2, 5.0]},
            {"kernel": "motion", "weight": 0.2, "length": [2, 12], "angle": [0, 180]},
            {"kernel": "motion", "weight": 0.1, "length": [12, 20], "angle": [0, 180]},
            {"kernel": "disk", "weight": 0.2, "radius": [0.5, 5.0]},
        ],
    },
    {"type": "downscale"},
    {"type": "exposure", "gain": [0.4, 1.2], "gamma": [0.8, 1.3], "probability": 0.3},
    {"type": "rescale", "factor": [0.5, 1.4], "probability": 0.5},
    {"type": "poisson_noise", "peak": [200, 4000]},
    {"type": "gaussian_noise", "sigma": [0.0, 0.05], "probability": 0.5},
    {"type": "jpeg", "quality": [25, 95]},
    {"type": "rescale", "factor": [0.7, 1.4], "probability": 0.2},
    {"type": "jpeg", "quality": [40, 95], "probability": 0.3},
)
"""Ours, in the manner of Real-ESRGAN and BSRGAN (see rescale.py): photographs sent on, or taken in poor light.

Wider blur and more noise than FIELD (a mid-grey pixel's shot noise: 0.011 to 0.05), unknown filters, and a second JPEG.
The kernel is that of the blur alone, the first of what makes such a photograph unsharp."""

CLEAN: Steps = ({"type": "downscale"},)
"""Anti-aliased bicubic only: the condition ``clean`` of every report."""

PRESETS: dict[str, Steps] = {"kondo_ukita": KONDO_UKITA, "field": FIELD, "strong": STRONG, "clean": CLEAN}


def build_pipeline(
    preset_or_steps: str | Steps, scale: int = 4, kernel_side: int = 21, border: str = "reflect", quantise: bool = False
) -> Pipeline:
    """Return the pipeline of a preset or of a list of steps.

    The reference code of Kondo & Ukita blurs with border="zero".

    Args:
        preset_or_steps: a key of PRESETS, or steps as in ``Pipeline``.
        scale: as in ``Pipeline``, as are the other arguments.
        kernel_side: likewise.
        border: likewise.
        quantise: likewise.

    Raises:
        UserError: for an unknown preset, step or parameter.
    """
    if isinstance(preset_or_steps, str):
        preset_or_steps = lookup(PRESETS, preset_or_steps, "degradation preset")
    return Pipeline(preset_or_steps, scale=scale, kernel_side=kernel_side, border=border, quantise=quantise)
