"""Evaluation: a model scored on photographs with masks, and the report about it."""
