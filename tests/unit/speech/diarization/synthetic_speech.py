"""Local speech of people with made-up voices, as the networks would describe it."""

from __future__ import annotations

import numpy as np

from speech.diarization.windows import FRAMES, POWERSET, STEP, VECTOR, WINDOW, LocalSpeech

FRAME_SECONDS = 270 / 16_000


def voice(person: int, noise: float, random: np.random.Generator) -> np.ndarray:
    vector = np.eye(VECTOR)[person] + noise * random.standard_normal(VECTOR) / np.sqrt(VECTOR)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def conversation(turns: list[tuple[float, float, int]], mixed: bool = False, noise: float = 0.7) -> LocalSpeech:
    """turns: (start, end, person), seconds, one at a time; mixed: the segmentation hears everybody as one."""
    random = np.random.default_rng(1)
    windows = 1 + max(0, round((turns[-1][1] * 16_000 - WINDOW) / STEP + 0.5))
    activity = np.zeros((windows, FRAMES), np.uint8)
    rows: list[tuple[int, int, int, int, int]] = []
    vectors = []
    for window in range(windows):
        local: dict[int, int] = {}
        begin = window * STEP / 16_000
        for start, end, person in turns:
            first, last = (int(np.clip((edge - begin) / FRAME_SECONDS, 0, FRAMES)) for edge in (start, end))
            if last - first < 20:
                continue
            speaker = 0 if mixed else local.setdefault(person, len(local))
            if speaker > 2:
                continue
            activity[window, first:last] = speaker + 1
            for a in range(first, last - 20, 80):
                rows.append((window, speaker, a, min(last, a + 80), 1))
                vectors.append(voice(person, noise, random))
    order = sorted(range(len(rows)), key=lambda i: rows[i][:3])
    assert POWERSET[1].tolist() == [True, False, False]
    return LocalSpeech(activity, np.array([rows[i] for i in order], np.int32), np.array([vectors[i] for i in order]))
