"""Photographs with crack masks: folders, the embedded generator, crops, distance maps, batches."""
