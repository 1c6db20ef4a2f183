"""Clustering of speaker embeddings over a whole recording: which pieces of speech are one person's.

Agglomerative clustering by a calibrated cosine. The cosine of two embeddings of one person falls with the
seconds behind them (0.53 for 0.8 s, 0.66 for 1.5 s, 0.78 for 3 s of CAM++), so it is divided by what one person
would give: short pieces are then neither merged nor kept apart for being short.

Two common ways to lose a speaker are avoided. A local track that holds two people is split by its pieces'
embeddings before anything is clustered; and a person who speaks once keeps a cluster if it is far from every
other, however short.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speech.diarization.windows import FRAME, PIECE, STEP, WINDOW, LocalSpeech

Floats = NDArray[np.float32]
Labels = NDArray[np.int_]

REDUNDANCY = WINDOW / STEP  # windows that cover the same second


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Tuned on one half of the recordings, see docs/diarization.md. Similarities are calibrated cosines."""

    split: float = 0.55  # pieces of one local track below it are two people
    split_seconds: float = 0.8  # that each of the two must have
    merge: float = 0.75  # tracks above it are one person
    rare: float = 0.5  # a small cluster is kept below it
    rare_seconds: float = 4.0  # what makes a cluster small
    least_seconds: float = 1.0  # a shorter cluster is nobody
    track_seconds: float = 0.6  # shorter tracks join clusters, they do not make them
    divide: float = 0.75  # a person's pieces that fall into two halves below it are two people's
    divide_seconds: float = 4.0  # that the smaller half must have


@dataclass(frozen=True, slots=True)
class WeightedEmbeddings:
    """Speaker embeddings with the seconds of speech behind each."""

    vectors: Floats  # (n, VECTOR), unit length
    seconds: Floats  # (n,)


def normalise(vectors: Floats) -> Floats:
    unit: Floats = vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-9)
    return unit


def length_correction(seconds: Floats) -> Floats:
    """The factor by which a cosine falls short because of one side's length.

    The cosine of one person's embeddings is 1 / (factor of the one · factor of the other).
    """
    corrected: Floats = np.sqrt(1.1 + 0.7 / np.maximum(seconds, 0.1) ** 0.85)
    return corrected


def agglomerate(embeddings: WeightedEmbeddings, threshold: float, redundancy: float = 1.0) -> Labels:
    """Merges the most similar two until none are above the threshold. Returns 0..k-1 per embedding.

    A cluster's embedding is the sum of its members weighted by seconds; its seconds are its members' divided by
    the redundancy (at least those of its longest member). Time n² per merge in a numpy call, memory n².
    """
    n = len(embeddings.vectors)
    sums = embeddings.vectors * embeddings.seconds[:, None]
    total, longest = embeddings.seconds.copy(), embeddings.seconds.copy()
    unit, weight = embeddings.vectors.copy(), length_correction(embeddings.seconds)
    alive, labels = np.ones(n, np.bool_), np.arange(n)
    similarity = (unit @ unit.T) * weight[:, None] * weight
    np.fill_diagonal(similarity, -np.inf)
    for _ in range(n - 1):
        kept, gone = divmod(int(similarity.argmax()), n)  # row and column of the largest
        if similarity[kept, gone] < threshold:
            break
        sums[kept] += sums[gone]
        total[kept] += total[gone]
        longest[kept] = max(longest[kept], longest[gone])
        labels[labels == gone] = kept
        alive[gone] = False
        similarity[gone] = similarity[:, gone] = -np.inf
        unit[kept] = normalise(sums[kept])
        weight[kept] = length_correction(np.maximum(longest[kept], total[kept] / redundancy))
        row = (unit @ unit[kept]) * weight * weight[kept]
        row[~alive] = row[kept] = -np.inf
        similarity[kept] = similarity[:, kept] = row
    numbered: Labels = np.unique(labels, return_inverse=True)[1]
    return numbered


def cluster_embeddings(embeddings: WeightedEmbeddings, labels: Labels, redundancy: float = 1.0) -> WeightedEmbeddings:
    """One embedding per cluster."""
    count = int(labels.max()) + 1
    sums = np.zeros((count, embeddings.vectors.shape[1]), np.float32)
    np.add.at(sums, labels, embeddings.vectors * embeddings.seconds[:, None])
    longest = np.zeros(count, np.float32)
    np.maximum.at(longest, labels, embeddings.seconds)
    total = np.bincount(labels, embeddings.seconds, minlength=count).astype(np.float32)
    return WeightedEmbeddings(normalise(sums), np.maximum(longest, total / redundancy))


def piece_seconds(speech: LocalSpeech) -> Floats:
    frames = speech.pieces[:, PIECE.end] - speech.pieces[:, PIECE.first]
    seconds: Floats = frames.astype(np.float32) * np.float32(FRAME)
    return seconds


def track_groups(speech: LocalSpeech) -> list[NDArray[np.int_]]:
    """Indices of each local track's pieces; pieces are ordered by window and speaker already."""
    if not len(speech.pieces):
        return []
    key = speech.pieces[:, PIECE.window] * 3 + speech.pieces[:, PIECE.speaker]
    return np.split(np.arange(len(key)), np.flatnonzero(np.diff(key)) + 1)


def split_tracks(speech: LocalSpeech, thresholds: Thresholds) -> Labels:
    """A track number per piece; a local track of two people becomes two."""
    seconds = piece_seconds(speech)
    numbers = np.zeros(len(seconds), np.int_)
    count = 0
    for pieces in track_groups(speech):
        parts = _split_track(WeightedEmbeddings(speech.vectors[pieces], seconds[pieces]), thresholds)
        numbers[pieces] = count + parts
        count += int(parts.max()) + 1
    return numbers


def _split_track(track: WeightedEmbeddings, thresholds: Thresholds) -> Labels:
    clear = np.flatnonzero(track.seconds >= 0.6)
    one = np.zeros(len(track.seconds), np.int_)
    if len(clear) < 2:
        return one
    sure = WeightedEmbeddings(track.vectors[clear], track.seconds[clear])
    labels = agglomerate(sure, thresholds.split)
    enough = np.flatnonzero(np.bincount(labels, sure.seconds) >= thresholds.split_seconds)
    if len(enough) < 2:
        return one
    voices = cluster_embeddings(sure, labels).vectors[enough]
    return np.asarray((track.vectors @ voices.T).argmax(axis=1))


def drop_spurious(clusters: WeightedEmbeddings, thresholds: Thresholds) -> WeightedEmbeddings:
    """Drops small clusters that a larger one explains, and tiny ones; the largest come first."""
    kept: list[int] = []
    weight = length_correction(clusters.seconds)
    for candidate in np.argsort(-clusters.seconds, kind="stable"):
        if kept:
            seconds = clusters.seconds[candidate]
            similarity = (clusters.vectors[kept] @ clusters.vectors[candidate]) * weight[kept] * weight[candidate]
            explained = seconds < thresholds.rare_seconds and similarity.max() > thresholds.rare
            if explained or seconds < thresholds.least_seconds:
                continue
        kept.append(int(candidate))
    return WeightedEmbeddings(clusters.vectors[kept], clusters.seconds[kept])


def merge_to(clusters: WeightedEmbeddings, count: int) -> WeightedEmbeddings:
    """Merges the cheapest two (Ward's cost: how far apart, weighted by how much is moved) until `count` are left."""
    voices, seconds = clusters.vectors.copy(), clusters.seconds.copy()
    while len(voices) > count:
        share = seconds[:, None] * seconds / (seconds[:, None] + seconds)
        cost = (1.0 - voices @ voices.T) * share
        np.fill_diagonal(cost, np.inf)
        kept, gone = divmod(int(cost.argmin()), len(voices))  # row and column of the smallest
        voices[kept] = normalise(voices[kept] * seconds[kept] + voices[gone] * seconds[gone])
        seconds[kept] += seconds[gone]
        voices, seconds = np.delete(voices, gone, axis=0), np.delete(seconds, gone)
    return WeightedEmbeddings(voices, seconds)


def bisect(pieces: WeightedEmbeddings) -> Labels | None:
    """The two halves (0 and 1) into which a cluster's pieces fall most naturally: spherical 2-means."""
    centred = pieces.vectors - np.average(pieces.vectors, axis=0, weights=pieces.seconds)
    _, _, axes = np.linalg.svd(centred.T @ (centred * pieces.seconds[:, None]), hermitian=True)
    halves: Labels = (centred @ axes[0] > 0).astype(np.int_)
    for _ in range(10):
        if halves.min() == halves.max():
            return None
        voices = cluster_embeddings(pieces, halves).vectors
        nearest = (pieces.vectors @ voices.T).argmax(axis=1)
        if (nearest == halves).all():
            break
        halves = nearest
    return halves if halves.min() != halves.max() else None
