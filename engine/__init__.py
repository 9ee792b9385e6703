"""Turns options into objects and runs them: options, build, stages, trainer, evaluator, checkpoints."""
