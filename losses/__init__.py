"""Training objectives: per-sample values [B] in float32 or better, averaged only at the end."""
