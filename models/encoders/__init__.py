"""Encoders that several networks share, and where their ImageNet weights come from."""
