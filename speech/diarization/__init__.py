"""Who speaks when: segmentation and speaker embeddings of chunks, clustering of the whole recording."""

from pathlib import Path


def pyannote_worker_path() -> Path:
    """The file to run in pyannote.audio's environment, where this package is not installed."""
    return Path(__file__).with_name("pyannote_worker.py")
