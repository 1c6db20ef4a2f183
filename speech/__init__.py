"""Speech, and no server: samples, words, Whisper's decoding, diarization. Needs numpy and tokenizers."""
