"""Tracking: local files first, Weights & Biases beside them, pictures and curves fit to publish."""
