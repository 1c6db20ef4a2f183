"""Speech, and no server: samples, words, Whisper's decoding, diarization. Needs numpy and tokenizers."""

import os

# ONNX Runtime reports its sessions to its makers unless this stands in the environment before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
