"""Whisper on a GPU: one engine over the exported graphs, run by TensorRT or by ONNX Runtime."""
