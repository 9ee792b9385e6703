"""Dual super-resolution learning: one network that restores and segments a low-resolution image at once."""

from models.dsrl.model import DSRL

__all__ = ["DSRL"]
