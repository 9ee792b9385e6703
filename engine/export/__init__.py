"""Models as ONNX files, and such files used like models."""
