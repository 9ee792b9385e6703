"""What all runs share: folders, checkpoints, locks, processes, precision, memory, progress."""
