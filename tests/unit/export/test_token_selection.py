"""Choosing a token by blocks of the vocabulary is choosing it from the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from export.decoder_session import open_graph
from export.gpu_dialect import Float16Dialect
from export.graph import FLOAT, INT64, Graph, save_graph
from export.token_selection import BLOCK, Vocabulary, select_token
from export.tokenizer import special_tokens
from speech.whisper.engine import AFTER_ANY, AFTER_OPEN, TokenBias
from speech.whisper.gpu.bias_buffer import BIAS_INPUTS, BiasBuffer
from speech.whisper.gpu.device_memory import HostMemory

Floats = NDArray[np.float32]

SIZE = 51864
VOCABULARY = Vocabulary(SIZE, special_tokens(SIZE), suppressed=(0, 3, 700), suppressed_first=(5,), open=(13,))
KEPT = 42  # what an inactive row repeats


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    graph, path = Graph("selection"), tmp_path_factory.mktemp("selection") / "selection.onnx"
    logits = graph.input("logits", FLOAT, ["batch", VOCABULARY.blocks * BLOCK])
    select_token(graph, VOCABULARY, logits, graph.input("kept", INT64, ["batch", 1]), "batch")
    save_graph(graph.model(Float16Dialect.opset), path)
    return path


def select(graph: Path, logits: Floats, temperature: float = 0.0, draw: float = 0.0, **more: Any) -> list[int]:
    tokens: list[int] = choose(graph, logits, temperature, draw, **more)[0][:, 0].tolist()
    return tokens


def choose(graph: Path, logits: Floats, temperature: float = 0.0, draw: float = 0.0, **more: Any) -> list[Floats]:
    """Tokens, and their log-probabilities."""
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
    told: list[Floats] = open_graph(graph).run(["token", "logprob"], feeds | written([None] * rows) | more)
    return told


def written(biases: list[TokenBias | None]) -> dict[str, Any]:
    """As a runner gives them to a step."""
    memory = HostMemory()
    buffer = BiasBuffer(memory, len(biases))
    buffer.send(host := buffer.host(), biases)
    return {name: host.buffer[name] for name in BIAS_INPUTS}


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


def a_bias(random: np.random.Generator, kept: int) -> TokenBias:
    """Beginnings, those after a mark, and what is for one token before or another; some tokens are in several."""
    tokens = random.choice(np.arange(1000, 1400), 300, replace=False)
    after = np.repeat([AFTER_ANY, AFTER_OPEN], [200, 50])
    own = np.concatenate([tokens[:250], tokens[200:300], tokens[:100]])
    after = np.concatenate([after, np.full(100, kept), np.full(100, kept + 1)])
    return TokenBias(own, random.uniform(0.5, 4, len(own)).astype(np.float32), after)


def raised(bias: TokenBias, kept: int) -> Floats:
    """What the engine of CPUs adds: (SIZE,)."""
    assert bias.after is not None
    added = np.zeros(SIZE, np.float32)
    for asked in ((AFTER_ANY,), (AFTER_OPEN,) if kept in VOCABULARY.open else (), (kept,)):
        chosen = np.isin(bias.after, asked)
        added[bias.tokens[chosen]] = bias.boosts[chosen]
    return added


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_bias_chooses_what_it_chooses_on_a_cpu_and_leaves_the_probability(graph: Path, temperature: float) -> None:
    random = np.random.default_rng(3)
    logits = random.standard_normal((12, SIZE)).astype(np.float32)
    logits[:, 1000:1400] += 2
    kept = np.array([[KEPT], [13]] * 6)
    biases = [a_bias(random, int(each)) for each in kept[:, 0]]
    biases[4].boosts[:] = 0

    tokens, logprobs = choose(graph, logits, temperature, draw=0.4, kept=kept, **written(list(biases)))

    allowed = logits.copy()
    allowed[:, list(VOCABULARY.suppressed)] = -np.inf
    expected = allowed - np.log(np.exp(allowed).sum(1, keepdims=True))
    for row, bias in enumerate(biases):
        scores = allowed[row] + raised(bias, int(kept[row, 0]))
        told = int(tokens[row, 0])
        if temperature:
            shares = np.exp((scores - scores.max()) / temperature).cumsum()
            assert shares[told - 1] - 1e-4 * shares[-1] <= 0.4 * shares[-1] <= shares[told] + 1e-4 * shares[-1]
        else:
            assert told == scores.argmax()
        assert logprobs[row] == pytest.approx(expected[row, told], abs=1e-4)


def test_rows_without_a_bias_choose_as_ever_beside_those_that_have_one(graph: Path) -> None:
    logits = np.random.default_rng(5).standard_normal((4, SIZE)).astype(np.float32)
    strong = TokenBias(np.array([4000]), np.array([50.0], np.float32))

    plain, told = choose(graph, logits), choose(graph, logits, **written([None, strong, None, None]))

    assert told[0][:, 0].tolist() == [int(plain[0][0, 0]), 4000, *plain[0][2:, 0].tolist()]
    assert told[1][[0, 2, 3]].tolist() == plain[1][[0, 2, 3]].tolist()
