"""Speech, and no server: samples, words, Whisper's engines and batching, diarization.

Words, audio, languages and the wire contract need numpy alone; voice activity and the diarizer's networks
onnxruntime besides; Whisper tokenizers and numba, on GPUs cuda-bindings and TensorRT or onnxruntime-gpu.

Importing it has a side effect: it sets an environment variable that ONNX Runtime reads when it is loaded.
"""

import os

# Without it ONNX Runtime sends telemetry.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
