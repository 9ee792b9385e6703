"""Everything that a GPU does in this project, tried in one go: ``python -m tools.gpu_check``."""
