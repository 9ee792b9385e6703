"""Prediction: photographs of any size in, masks and pictures out; knows nothing of training."""
