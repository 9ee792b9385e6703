"""Training: the loop with its stages, validation, interruption and resuming."""
