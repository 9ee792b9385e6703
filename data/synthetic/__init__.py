"""Drawn crack photographs with exact masks, so that everything runs without a download.

surface (textures) -> stains, look-alikes -> cracks and mask -> light and camera.
"""

from data.synthetic.source import SyntheticSource

__all__ = ["SyntheticSource"]
