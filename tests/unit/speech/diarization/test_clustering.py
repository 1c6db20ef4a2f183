from __future__ import annotations

import numpy as np
import pytest

from speech.diarization.clustering import (
    Thresholds,
    WeightedEmbeddings,
    agglomerate,
    bisect,
    cluster_embeddings,
    drop_spurious,
    length_correction,
    merge_to,
)
from tests.unit.speech.diarization.synthetic_speech import voice


def embeddings(people: list[int], seconds: list[float], noise: float = 0.6) -> WeightedEmbeddings:
    random = np.random.default_rng(0)
    return WeightedEmbeddings(
        np.stack([voice(person, noise, random) for person in people]), np.array(seconds, np.float32)
    )


def test_voices_of_one_person_get_one_label() -> None:
    people = [0, 1, 0, 2, 1, 0]

    labels = agglomerate(embeddings(people, [3.0] * 6), 0.75)

    assert len(set(zip(people, labels.tolist(), strict=True))) == 3
    assert len(set(labels)) == 3
    assert labels[0] == labels[2] == labels[5]


def test_one_voice_is_one_cluster() -> None:
    assert agglomerate(embeddings([4], [1.0]), 0.75).tolist() == [0]


def test_short_evidence_is_expected_to_be_less_similar() -> None:
    assert length_correction(np.array([0.5], np.float32))[0] > length_correction(np.array([5.0], np.float32))[0] > 1.0


def test_a_rare_voice_far_from_the_others_is_kept_and_a_speck_is_not() -> None:
    clusters = embeddings([0, 1, 2], [30.0, 1.5, 0.3])

    kept = drop_spurious(clusters, Thresholds())

    assert kept.seconds.tolist() == [30.0, 1.5]


def test_a_small_cluster_like_a_large_one_is_dropped() -> None:
    large = embeddings([0, 1], [30.0, 20.0], noise=0.1)
    near = (large.vectors[0] + 0.8 * large.vectors[1]) / np.linalg.norm(large.vectors[0] + 0.8 * large.vectors[1])
    clusters = WeightedEmbeddings(np.vstack([large.vectors, near]), np.array([30.0, 20.0, 2.0], np.float32))

    assert len(drop_spurious(clusters, Thresholds()).vectors) == 2


def test_two_peoples_pieces_are_bisected_into_them() -> None:
    people = np.array([0, 1] * 10)

    halves = bisect(embeddings(people.tolist(), [1.0] * 20))

    assert halves is not None
    assert abs(np.corrcoef(halves, people)[0, 1]) == pytest.approx(1.0)


def test_one_piece_has_no_halves() -> None:
    assert bisect(embeddings([0], [1.0])) is None


def test_reducing_merges_the_small_into_the_near_first() -> None:
    clusters = embeddings([0, 0, 1, 2], [20.0, 2.0, 20.0, 20.0])

    reduced = merge_to(clusters, 3)

    assert sorted(reduced.seconds.tolist()) == [20.0, 20.0, 22.0]


def test_seconds_heard_by_several_windows_count_once() -> None:
    assert cluster_embeddings(
        embeddings([0, 0, 0, 0], [3.0] * 4), np.zeros(4, int), redundancy=4.0
    ).seconds.tolist() == [3.0]
