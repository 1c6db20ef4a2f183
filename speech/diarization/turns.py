"""Local speech of a whole recording → speaker turns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speech.diarization.clustering import (
    REDUNDANCY,
    Floats,
    Labels,
    Thresholds,
    WeightedEmbeddings,
    agglomerate,
    bisect,
    cluster_embeddings,
    drop_spurious,
    length_correction,
    merge_to,
    normalise,
    piece_seconds,
    split_tracks,
    track_groups,
)
from speech.diarization.voices import Voice
from speech.diarization.windows import (
    FRAME,
    FRAME_HOP,
    FRAMES,
    LOCAL_SPEAKERS,
    PIECE,
    POWERSET,
    STEP,
    LocalSpeech,
    frame_start,
    runs,
)
from speech.transcript import Turn
from speech.viterbi import best_path

BLOCK_WINDOWS = 240  # 10 minutes are clustered at once; then the blocks' clusters are
CLEAR = 0.6  # seconds of a piece that identifies a speaker well
OVERLAPPED = 0.1  # weight of a piece in which others speak too
SWITCH = 0.1  # seconds of full similarity that a change of speaker inside a local track must gain
PAUSE = 0.3  # seconds of silence after which a change costs half
PRESENT = 0.45  # share of the windows that must find a further speaker in a frame


@dataclass(frozen=True, slots=True)
class Diarization:
    turns: tuple[Turn, ...]
    voices: Mapping[str, Voice]  # of every speaker of the turns


FrameSpeakers = NDArray[np.int16]  # (windows, FRAMES, LOCAL_SPEAKERS), -1: silent


def find_turns(
    speech: LocalSpeech, duration: float, count: int = 0, thresholds: Thresholds | None = None
) -> tuple[Turn, ...]:
    """Turns of "Speaker 1", "Speaker 2" … in order of appearance; turns of different speakers may overlap.

    duration: seconds; count: how many speakers there are, 0 if that is unknown. Fewer than `count` come back
    when fewer can be told apart.
    """
    return diarize(speech, duration, count, thresholds).turns


def diarize(speech: LocalSpeech, duration: float, count: int = 0, thresholds: Thresholds | None = None) -> Diarization:
    """The turns as `find_turns` has them, and how each of their speakers sounds."""
    if not len(speech.pieces):
        return Diarization((), {})
    voices = speaker_centroids(speech, count, thresholds or Thresholds())
    spans = merge_windows(assign_frames(speech, voices), len(voices), duration)
    turns = name_turns(spans)
    people = {turn.speaker: person for turn, (_, _, person) in zip(turns, spans, strict=True)}
    seconds = {name: sum(turn.end - turn.start for turn in turns if turn.speaker == name) for name in people}
    return Diarization(turns, {name: Voice(voices[person], seconds[name]) for name, person in people.items()})


def speaker_centroids(speech: LocalSpeech, count: int, thresholds: Thresholds) -> Floats:
    """One unit vector per speaker, (people, VECTOR), at least one."""
    tracks = _tracks(speech, thresholds)
    clusters = _cluster(tracks, thresholds, thresholds.merge)
    people = drop_spurious(clusters, thresholds)
    stricter = thresholds.merge
    while count > len(people.vectors) and stricter < 1.2:
        stricter += 0.05
        people = drop_spurious(_cluster(tracks, thresholds, stricter), thresholds)
    people = split_clusters(speech, people.vectors, thresholds)
    if count:
        people = merge_to(people, count)
    return refine_centroids(speech, people.vectors)


def split_clusters(speech: LocalSpeech, voices: Floats, thresholds: Thresholds) -> WeightedEmbeddings:
    """Splits clusters that hold two people, until none does."""
    seconds = piece_seconds(speech)
    clear = (speech.pieces[:, PIECE.alone] == 1) & (seconds > CLEAR)
    clips = WeightedEmbeddings(speech.vectors[clear], seconds[clear] / np.float32(REDUNDANCY))
    nearest = (clips.vectors @ voices.T).argmax(axis=1)
    waiting = [np.flatnonzero(nearest == person) for person in range(len(voices))]
    people = [
        WeightedEmbeddings(voices[i : i + 1], np.zeros(1, np.float32)) for i, own in enumerate(waiting) if not len(own)
    ]
    waiting = [own for own in waiting if len(own)]
    while waiting:
        own = waiting.pop()
        pieces = WeightedEmbeddings(clips.vectors[own], clips.seconds[own])
        halves = bisect(pieces)
        if halves is not None and _are_two(cluster_embeddings(pieces, halves), thresholds):
            waiting += [own[halves == half] for half in (0, 1)]
        else:
            people.append(cluster_embeddings(pieces, np.zeros(len(own), np.int_)))
    return WeightedEmbeddings(
        np.concatenate([person.vectors for person in people]), np.concatenate([person.seconds for person in people])
    )


def _are_two(halves: WeightedEmbeddings, thresholds: Thresholds) -> bool:
    similarity = float(halves.vectors[0] @ halves.vectors[1] * length_correction(halves.seconds).prod())
    return similarity < thresholds.divide and float(halves.seconds.min()) >= thresholds.divide_seconds


def refine_centroids(speech: LocalSpeech, voices: Floats) -> Floats:
    """Each centroid as the mean of the clear pieces that are nearest to it."""
    seconds = piece_seconds(speech)
    nearest = (speech.vectors @ voices.T).argmax(axis=1)
    clear = (speech.pieces[:, PIECE.alone] == 1) & (seconds > CLEAR)
    refined = voices.copy()
    for person in range(len(voices)):
        own = clear & (nearest == person)
        if own.any():
            refined[person] = normalise((speech.vectors[own] * seconds[own, None]).sum(axis=0))
    return refined


def _tracks(speech: LocalSpeech, thresholds: Thresholds) -> list[WeightedEmbeddings]:
    """The tracks worth clustering, in blocks of BLOCK_WINDOWS windows."""
    numbers = split_tracks(speech, thresholds)
    alone = speech.pieces[:, PIECE.alone] == 1
    seconds = piece_seconds(speech) * np.where(alone, 1.0, OVERLAPPED).astype(np.float32)
    embeddings = track_embeddings(WeightedEmbeddings(speech.vectors, seconds), numbers)
    window = np.zeros(len(embeddings.seconds), np.int_)
    window[numbers] = speech.pieces[:, PIECE.window]
    enough = embeddings.seconds >= min(thresholds.track_seconds, float(embeddings.seconds.max()))
    blocks = window // BLOCK_WINDOWS
    chosen = [np.flatnonzero(enough & (blocks == block)) for block in range(int(blocks.max()) + 1)]
    return [WeightedEmbeddings(embeddings.vectors[i], embeddings.seconds[i]) for i in chosen if len(i)]


def track_embeddings(pieces: WeightedEmbeddings, numbers: Labels) -> WeightedEmbeddings:
    """One embedding per track: pieces of a track follow each other, so their seconds add up."""
    return cluster_embeddings(pieces, numbers, redundancy=1.0)


def _cluster(blocks: list[WeightedEmbeddings], thresholds: Thresholds, threshold: float) -> WeightedEmbeddings:
    parts = [cluster_embeddings(block, agglomerate(block, threshold, REDUNDANCY), REDUNDANCY) for block in blocks]
    if len(parts) == 1:
        return parts[0]
    together = WeightedEmbeddings(
        np.concatenate([part.vectors for part in parts]), np.concatenate([part.seconds for part in parts])
    )
    return cluster_embeddings(together, agglomerate(together, threshold))


def assign_frames(speech: LocalSpeech, voices: Floats) -> FrameSpeakers:
    """The speaker of every frame of every local track: the best path through the track's pieces."""
    seconds = piece_seconds(speech)
    speakers = np.full((len(speech.activity), FRAMES, LOCAL_SPEAKERS), -1, np.int16)
    for pieces in track_groups(speech):
        rows = speech.pieces[pieces]
        gain = (speech.vectors[pieces] @ voices.T) * seconds[pieces, None]
        pauses = (rows[1:, PIECE.first] - rows[:-1, PIECE.end]) * FRAME > PAUSE
        path = best_path(gain, np.where(pauses, SWITCH / 2, SWITCH))
        window, local = int(rows[0, PIECE.window]), int(rows[0, PIECE.speaker])
        frames = np.flatnonzero(POWERSET[speech.activity[window], local])
        middles = (rows[:-1, PIECE.end] + rows[1:, PIECE.first]) / 2
        speakers[window, frames, local] = path[np.searchsorted(middles, frames, side="right")]
    return speakers


def merge_windows(speakers: FrameSpeakers, people: int, duration: float) -> list[tuple[float, float, int]]:
    """Overlapping windows as one timeline: (start, end, person), seconds.

    In a frame as many people speak as the windows find on average: those whom most windows find.
    """
    hop = STEP / FRAME_HOP
    total = int(len(speakers) * hop) + FRAMES + 2
    votes = np.zeros((total, people), np.uint8)
    covering = np.zeros(total, np.uint8)  # windows per frame
    for window, local in enumerate(speakers):
        start = round(window * hop)
        present = np.zeros((FRAMES, people + 1), np.bool_)
        np.put_along_axis(present, local.astype(np.intp), True, axis=1)  # -1 falls into the last column
        votes[start : start + FRAMES] += present[:, :people]
        covering[start : start + FRAMES] += 1
    # A frame's number of speakers is the sum of the votes over the windows that cover it, rounded.
    number = np.floor(votes.sum(axis=1) / np.maximum(covering, 1) + 1.0 - PRESENT).astype(np.int_)
    spoken = _loudest(votes, number)
    turns = []
    for person in range(people):
        for first, end in runs(spoken[:, person]):
            begin, stop = frame_start(first), min(duration, frame_start(end))
            if stop > begin:
                turns.append((begin, stop, person))
    return sorted(turns)


def _loudest(votes: NDArray[np.uint8], number: Labels) -> NDArray[np.bool_]:
    """(frames, people): the `number` people with most votes in each frame."""
    spoken = np.zeros(votes.shape, np.bool_)
    rows = np.arange(len(votes))
    left = votes.astype(np.int16)
    for rank in range(int(number.max(initial=0))):
        best = left.argmax(axis=1)
        chosen = (number > rank) & (left[rows, best] > 0)
        spoken[rows[chosen], best[chosen]] = True
        left[rows, best] = -1
    return spoken


def name_turns(turns: list[tuple[float, float, int]]) -> tuple[Turn, ...]:
    """Numbers people in order of appearance."""
    names: dict[int, str] = {}
    for _, _, person in turns:
        names.setdefault(person, f"Speaker {len(names) + 1}")
    return tuple(Turn(names[person], start, end) for start, end, person in turns)
