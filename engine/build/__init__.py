"""The composition root: options become networks, losses, optimisers, photographs and trackers here alone."""
