import speech as speech  # before ONNX Runtime is loaded: it turns its reports off
