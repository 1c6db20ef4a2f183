"""The GPU's decoder graph, run by ONNX Runtime, says and chooses what the reference would."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from export import graph as graph_module
from export.decoder import decoder_graph, step_graph
from export.decoder_session import DecoderRow, DecoderSession
from export.gpu_dialect import Float16Dialect
from export.graph import save_graph, share_weights
from export.parity import suppressed
from export.random_weights import random_weights
from export.reference import Floats, Reference, softmax
from export.token_selection import Vocabulary
from export.tokenizer import special_tokens
from speech.whisper.engine import Sampling
from tests.unit.export.small_whispers import dimensions

TOKENS = [1, 5, 9, 77, 400, 3]
HEADS = ((0, 1), (1, 0), (1, 1))
WEIGHTS = random_weights(dimensions(128, (1, 2), vocabulary=51864, context=40), HEADS)
NEVER, FIRST = tuple(range(0, 51864, 2)), (7, 50256)  # most of them, so that a mistake shows
VOCABULARY = Vocabulary(51864, special_tokens(51864), NEVER, FIRST)


AT_END = 1 - 2**-24  # the largest draw in float32


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "decoder.onnx"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph_module, "SINGLE_FILE_LIMIT", 1 << 20)  # its weights lie beside it, as a large model's do
        save_graph(decoder_graph(WEIGHTS, VOCABULARY).model(Float16Dialect.opset), path)
    return path


@pytest.fixture(scope="module")
def step(graph: Path) -> Path:
    """The graph of one token, which has its weights in the decoder's file."""
    path = graph.with_name("step.onnx")
    decoder = decoder_graph(WEIGHTS, VOCABULARY)
    model = step_graph(WEIGHTS, VOCABULARY, decoder).model(Float16Dialect.opset)
    share_weights(model, graph)
    save_graph(model, path)
    return path


@pytest.fixture(scope="module")
def encoded() -> NDArray[np.float32]:
    return np.random.default_rng(1).standard_normal((40, 128)).astype(np.float32)


@pytest.fixture(scope="module")
def logits(encoded: NDArray[np.float32]) -> Floats:
    """After each of TOKENS: (tokens, vocabulary)"""
    return _reference(encoded)[0]


def _reference(encoded: NDArray[np.float32]) -> tuple[Floats, Floats]:
    logits, weights = Reference(WEIGHTS, np.float64).decode(TOKENS, encoded)
    return logits, np.stack([weights[layer][head] for layer, head in HEADS])


def _decoder(graph: Path, encoded: NDArray[np.float32], rows: int = 1) -> DecoderSession:
    return DecoderSession(graph, [Reference(WEIGHTS, np.float64).cross(encoded)] * rows)


@pytest.mark.parametrize("chunks", [[6], [3, 3], [1] * 6])
def test_what_is_said_of_a_token_does_not_depend_on_how_tokens_are_fed(
    graph: Path, encoded: NDArray[np.float32], logits: Floats, chunks: Sequence[int]
) -> None:
    decoder, position = _decoder(graph, encoded), 0
    for size in chunks:
        answer = decoder.run([DecoderRow(TOKENS[position : position + size], position, at=size - 1)])
        position += size

    expected = suppressed(logits[-1:], NEVER, ())[0]
    assert answer.logprob[0] == pytest.approx(expected.max(), abs=1e-2)
    assert expected[answer.token[0]] == pytest.approx(expected.max(), abs=1e-2)
    tokens = special_tokens(51864)
    spoken = logits[-1, tokens.first_language : tokens.first_language + 99].astype(np.float64)
    np.testing.assert_allclose(answer.language[0], softmax(spoken), atol=1e-3)
    assert answer.no_speech[0] == pytest.approx(softmax(logits[-1].astype(np.float64))[tokens.no_speech], rel=0.02)
    alignment = decoder.alignment(0, HEADS, slice(0, len(TOKENS)))
    np.testing.assert_allclose(alignment, _reference(encoded)[1], atol=2e-3)


def test_a_step_says_what_the_decoder_says_of_one_token(graph: Path, step: Path, encoded: NDArray[np.float32]) -> None:
    cross = [Reference(WEIGHTS, np.float64).cross(encoded)] * 3
    whole, short = DecoderSession(graph, cross), DecoderSession(graph, cross, step)
    for decoder in (whole, short):
        decoder.run([DecoderRow(TOKENS, 0)] * 3)
    place = len(TOKENS) - 1
    rows = [
        DecoderRow(TOKENS[-1:], place, first=True),
        DecoderRow(TOKENS[-1:], place, active=False),
        DecoderRow(TOKENS[-1:], place, sampling=Sampling(1.0, 0.7)),
    ]

    expected, answer = whole.run(rows), short.run(rows)

    assert answer.token.tolist() == expected.token.tolist()
    np.testing.assert_allclose(answer.logprob, expected.logprob, atol=1e-3)
    for name, cache in whole.caches.items():
        np.testing.assert_allclose(short.caches[name], cache, atol=1e-3)


def test_a_prompt_is_read_by_steps_as_by_a_pass(graph: Path, step: Path, encoded: NDArray[np.float32]) -> None:
    cross = [Reference(WEIGHTS, np.float64).cross(encoded)]
    whole, short = DecoderSession(graph, cross), DecoderSession(graph, cross, step)
    expected = whole.run([DecoderRow(TOKENS, 0, at=5)])
    short.run([DecoderRow(TOKENS[:2], 0)])

    for place in range(2, 6):  # whatever the row chose before
        answer = short.run([DecoderRow([999], place, forced=TOKENS[place], active=place == 5)])
        assert place == 5 or answer.token.tolist() == [TOKENS[place]], "what is fed is what the next step repeats"

    assert answer.token.tolist() == expected.token.tolist()
    np.testing.assert_allclose(answer.logprob, expected.logprob, atol=1e-3)
    for name, cache in whole.caches.items():
        np.testing.assert_allclose(short.caches[name][:, :, :6], cache[:, :, :6], atol=2e-3)


def test_a_step_attends_to_as_many_tokens_as_it_is_told(graph: Path, step: Path, encoded: NDArray[np.float32]) -> None:
    """And so reads no more of the cache; what lies behind is garbage here."""
    attention = [
        node for node in onnx.load(str(step), load_external_data=False).graph.node if node.op_type == "Attention"
    ]
    own, heard = attention[::2], attention[1::2]

    assert [(len(node.input), node.input[6]) for node in own] == [(7, "length")] * 2
    assert [(len(node.input), node.input[6]) for node in heard] == [(7, "frames")] * 2


def test_as_much_of_a_window_is_attended_to_as_was_encoded(
    graph: Path, step: Path, encoded: NDArray[np.float32]
) -> None:
    """A short window beside a whole one; what lies behind it is garbage here."""
    reference = Reference(WEIGHTS, np.float64)
    decoder = DecoderSession(graph, [reference.cross(part) for part in (encoded, encoded[:25])], step)
    decoder.run([DecoderRow(TOKENS[:5], 0)] * 2)
    answer = decoder.run([DecoderRow(TOKENS[5:], 5)] * 2)

    for row, part in enumerate((encoded, encoded[:25])):
        logits, weights = reference.decode(TOKENS, part)
        expected = suppressed(logits[-1:], NEVER, ())[0]
        assert answer.logprob[row] == pytest.approx(expected.max(), abs=1e-2)
        asked = np.stack([weights[layer][head] for layer, head in HEADS])
        np.testing.assert_allclose(decoder.alignment(row, HEADS, slice(0, len(TOKENS))), asked, atol=2e-3)


def test_a_step_has_its_weights_where_the_decoder_has_them_and_nothing_for_the_host(step: Path) -> None:
    model = onnx.load(str(step), load_external_data=False)

    assert step.stat().st_size < 1 << 20
    assert not step.with_name("step.onnx.data").exists()
    assert not {"Shape", "Range"} & {node.op_type for node in model.graph.node}
    assert {"language", "no_speech"}.isdisjoint(output.name for output in model.graph.output)


def test_a_row_may_be_asked_at_another_token_than_its_neighbour(
    graph: Path, encoded: NDArray[np.float32], logits: Floats
) -> None:
    answer = _decoder(graph, encoded, rows=2).run([DecoderRow(TOKENS, 0, at=0), DecoderRow(TOKENS, 0, at=3)])

    for row, at in enumerate((0, 3)):
        assert answer.logprob[row] == pytest.approx(suppressed(logits[at : at + 1], NEVER, ())[0].max(), abs=1e-2)


def test_further_tokens_are_suppressed_right_after_the_prompt(graph: Path, encoded: NDArray[np.float32]) -> None:
    even = Sampling(1e6, 3.5 / 25932)  # so hot that all allowed tokens are alike: the fourth odd number
    feeds = [DecoderRow(TOKENS, 0, at=5, first=first, sampling=even) for first in (False, True)]

    later, first = _decoder(graph, encoded, rows=2).run(feeds).token

    assert (later, first) == (7, 9)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 20.0])
def test_a_draw_is_inverted_as_numpy_does_it(
    graph: Path, encoded: NDArray[np.float32], logits: Floats, temperature: float
) -> None:
    draws = [0.0, *np.random.default_rng(2).random(29), AT_END]
    decoder = _decoder(graph, encoded, rows=len(draws))

    answer = decoder.run([DecoderRow(TOKENS, 0, at=5, sampling=Sampling(temperature, draw)) for draw in draws])

    allowed = suppressed(logits[-1:], NEVER, ())[0]
    cumulative = softmax(allowed / temperature).cumsum()
    for draw, token, logprob in zip(draws, answer.token, answer.logprob, strict=True):
        assert token not in NEVER
        assert cumulative[token - 1] - 5e-3 <= draw <= cumulative[token] + 5e-3
        assert logprob == pytest.approx(allowed[token], abs=2e-2)


def test_a_row_that_is_left_out_keeps_its_token_and_its_future(graph: Path, encoded: NDArray[np.float32]) -> None:
    """One decoder steps both rows together, the other leaves the second row out for a while."""

    def steps(left_out: int) -> tuple[list[int], DecoderSession]:
        decoder = _decoder(graph, encoded, rows=2)
        decoder.run([DecoderRow(TOKENS, 0)] * 2)
        feed, heard = DecoderRow(TOKENS[-1:], len(TOKENS) - 1), []
        for _ in range(left_out):
            kept = decoder.run([feed, DecoderRow(feed.ids, feed.position, active=False)]).token[1]
            assert kept == TOKENS[-1]
        for step in range(3):
            token = int(decoder.run([feed, feed]).token[1])
            heard.append(token)
            feed = DecoderRow([token], len(TOKENS) + step)
        return heard, decoder

    (alone, before), (paused, after) = steps(0), steps(2)

    assert alone == paused
    np.testing.assert_array_equal(before.caches["self_key_1"], after.caches["self_key_1"])
