"""This project's diarizer as a process, with the protocol of speech/diarization/pyannote_worker.py.

Runs in the service's environment: what the Triton model does for each chunk, then the gateway's clustering.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path

import numpy as np

from speech.audio import SAMPLE_RATE, to_samples
from speech.diarization.networks import Execution, Networks
from speech.diarization.turns import find_turns
from speech.diarization.windows import chunk_bounds, join_chunks


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main(folder: Path) -> None:
    execution = os.environ.get("DIARIZER_EXECUTION", "cpu")
    networks = Networks(folder, Execution(execution, int(os.environ.get("DIARIZER_THREADS", "2"))))
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        before = cpu_seconds()
        pcm = np.fromfile(request["pcm"], np.int16)
        heard = join_chunks([networks.run([to_samples(pcm[a:b])])[0] for a, b in chunk_bounds(len(pcm))])
        turns = find_turns(heard, len(pcm) / SAMPLE_RATE, int(request.get("speakers", 0)))
        reply = [[turn.start, turn.end, turn.speaker] for turn in turns]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"turns": reply, "cpu": cpu_seconds() - before, "peak_mb": peak}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
