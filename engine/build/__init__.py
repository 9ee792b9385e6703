"""The composition root: options become networks, losses, optimisers, photographs and trackers here.

Out of these ``engine.train.build`` and ``engine.evaluate.build`` put together what runs.
"""
