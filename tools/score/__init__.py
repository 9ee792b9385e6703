"""Scores of anybody's probability maps or masks, by the conventions of the field side by side."""
