"""Checkpoints that the authors released (Kondo & Ukita, IEEE TIM 2024) to weights of this project."""
