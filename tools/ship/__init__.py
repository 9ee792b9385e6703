"""Trained weights made into a folder to ship: ``python -m tools.ship``."""
