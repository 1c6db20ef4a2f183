"""Choosing a token by blocks of the vocabulary is choosing it from the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from export.decoder_session import open_graph
from export.gpu_dialect import Float16Dialect
from export.graph import FLOAT, INT64, Graph, save_graph
from export.token_selection import BLOCK, Vocabulary, select_token
from export.tokenizer import special_tokens

SIZE = 51864
VOCABULARY = Vocabulary(SIZE, special_tokens(SIZE), suppressed=(0, 3, 700), suppressed_first=(5,))
KEPT = 42  # what an inactive row repeats


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    graph, path = Graph("selection"), tmp_path_factory.mktemp("selection") / "selection.onnx"
    logits = graph.input("logits", FLOAT, ["batch", VOCABULARY.blocks * BLOCK])
    select_token(graph, VOCABULARY, logits, graph.input("kept", INT64, ["batch", 1]))
    save_graph(graph.model(Float16Dialect.opset), path)
    return path


def select(graph: Path, logits: NDArray[np.float32], temperature: float = 0.0, draw: float = 0.0) -> list[int]:
    rows = len(logits)
    padded = np.pad(logits, ((0, 0), (0, VOCABULARY.blocks * BLOCK - SIZE)))
    feeds = {
        "logits": padded,
        "kept": np.full((rows, 1), KEPT),
        "active": np.ones(rows, bool),
        "first": np.zeros(rows, bool),
        "temperature": np.full(rows, temperature, np.float32),
        "draw": np.full(rows, draw, np.float32),
    }
    tokens: list[int] = open_graph(graph).run(["token"], feeds)[0][:, 0].tolist()
    return tokens


def test_equal_scores_give_the_first_token_within_a_block_and_between_blocks(graph: Path) -> None:
    logits = np.zeros((4, SIZE), np.float32)
    logits[0, [300, 301, 40000]] = 2
    logits[1, [255, 256]] = 2
    logits[2, [700, 1000]] = [3, 2]  # the first is never written

    assert select(graph, logits) == [300, 255, 1000, 1]


def test_the_best_token_is_that_of_the_whole_vocabulary(graph: Path) -> None:
    logits = np.random.default_rng(0).standard_normal((16, SIZE)).astype(np.float32)
    allowed = logits.copy()
    allowed[:, list(VOCABULARY.suppressed)] = -np.inf

    assert select(graph, logits) == allowed.argmax(1).tolist()


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_rows_of_what_is_no_number_choose_a_token_of_the_vocabulary(
    graph: Path, poison: float, temperature: float
) -> None:
    logits = np.zeros((3, SIZE), np.float32)
    logits[0] = poison
    logits[1, 30000] = poison
    logits[2, 900] = 50

    *poisoned, sound = select(graph, logits, temperature, draw=0.5)

    assert all(0 <= token < SIZE for token in poisoned)
    assert sound == 900, "a row is no affair of its neighbours"
