"""Features, ONNX sessions, the model registry."""
