"""What makes low-resolution images of sharp ones: whole degradations by name, and the pipeline that runs them.

``build_pipeline("kondo_ukita", scale=4)(hr, names, seed, epochs)`` gives the images, their kernels and what was drawn.
"""

from degradations.pipeline import Pipeline
from degradations.presets import PRESETS, build_pipeline

__all__ = ["PRESETS", "Pipeline", "build_pipeline"]
