"""Turns options into objects and runs them: options, build, runtime, train, evaluate, predict, export."""
