"""From hidden states to tokens, inside the decoder graph: suppression, probabilities, argmax and sampling.

A step then needs nothing of the host. All of it is in float32 but the product with the vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.graph import BOOL, FLOAT, INT32, INT64, Graph
from export.tokenizer import language_slots
from speech.whisper.engine import AFTER_ANY, AFTER_OPEN, MOST_BEGINNINGS
from speech.whisper.gpu.bias_buffer import ENTRIES
from speech.whisper.special_tokens import SpecialTokens

BLOCK = 256  # tokens whose probabilities are summed before one of them is drawn
NEVER = -1e9  # added to a logit; finite, so that dividing and subtracting it stays a number
BELOW_ONE = np.array(1 - 2**-20)  # of a sum of probabilities: rounding must not lead past its end


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Which tokens exist, and which of them are never written."""

    size: int
    tokens: SpecialTokens
    suppressed: tuple[int, ...]  # always
    suppressed_first: tuple[int, ...]  # besides, right after a prompt
    open: tuple[int, ...] = ()  # after which a word may begin without a space

    @property
    def blocks(self) -> int:
        return -(-self.size // BLOCK)


def padded_embedding(embedding: NDArray[np.float32]) -> NDArray[np.float32]:
    """Whole blocks of tokens: (vocabulary, d) → (blocks · BLOCK, d). Tensor cores want even rows besides."""
    return np.pad(embedding, ((0, -len(embedding) % BLOCK), (0, 0)))


def select_token(graph: Graph, vocabulary: Vocabulary, logits: str, kept: str, rows: str) -> None:
    """Adds the inputs and outputs of a choice.

    logits: (b, blocks · BLOCK) in float32, of one token per row; kept: (b, 1), the token before, which an inactive row
    repeats
    rows: name of the first axis
    inputs: active (b,) and first (b,) bool, temperature (b,) and draw (b,) float32; what `_raised` asks for
    outputs: token (b, 1); logprob (b,) under the suppressed distribution at temperature 1, without a bias
    """
    names = ("active", "first", "temperature", "draw")
    elements = dict(zip(names, (BOOL, BOOL, FLOAT, FLOAT), strict=True))
    active, first, temperature, draw = (
        graph.node("Unsqueeze", [graph.input(name, elements[name], [rows]), graph.integers(1)]) for name in names
    )
    masks = [graph.exact(name, mask[None]) for name, mask in _masks(vocabulary).items()]
    allowed = graph.node("Add", [logits, graph.node("Where", [first, *masks])])
    scores = _raised(graph, vocabulary, allowed, kept, rows)
    table = graph.node("Reshape", [scores, graph.integers(-1, vocabulary.blocks, BLOCK)])
    peaks = graph.node("ReduceMax", [table, graph.integers(2)], keepdims=0)  # (b, blocks)
    peak = graph.node("ReduceMax", [peaks, graph.integers(1)], keepdims=1)
    highest = graph.node("Unsqueeze", [peak, graph.integers(2)])
    below = graph.node("Sub", [table, highest])  # (b, blocks, BLOCK), ≤ 0
    warm = graph.node("Greater", [temperature, graph.exact("zero", np.array(0.0))])
    divisor = graph.node("Where", [warm, temperature, graph.exact("one", np.array(1.0))])
    drawn = _draw(
        graph,
        vocabulary.blocks,
        graph.node("Div", [below, graph.node("Unsqueeze", [divisor, graph.integers(2)])]),
        draw,
    )
    best = _best(graph, table, peaks, vocabulary.blocks)
    chosen = _within(graph, graph.node("Where", [warm, drawn, best]), "token", vocabulary.size)
    plain = graph.node("Reshape", [allowed, graph.integers(-1, vocabulary.blocks, BLOCK)])
    without = graph.node("Sub", [plain, highest])
    graph.output(_logprob(graph, without, chosen), "logprob", FLOAT, [rows])
    graph.output(graph.node("Where", [active, chosen, kept]), "token", INT64, [rows, 1])


def _masks(vocabulary: Vocabulary) -> dict[str, NDArray[np.float32]]:
    """What is added to the logits, (blocks · BLOCK,): at the first choice after a prompt, and at later ones."""
    later = np.zeros(vocabulary.blocks * BLOCK, np.float32)
    later[[*vocabulary.suppressed, *range(vocabulary.size, len(later))]] = NEVER
    first = later.copy()
    first[list(vocabulary.suppressed_first)] = NEVER
    return {"never_first": first, "never": later}


def _raised(graph: Graph, vocabulary: Vocabulary, logits: str, before: str, rows: str) -> str:
    """The logits with what is added to them for key terms.

    before: (b, 1), the token before
    inputs: bias_after, bias_token (b, ENTRIES) int32, bias_boost (b, ENTRIES) float32, as BiasBuffer writes them
    An entry whose `after` is not fulfilled raises by nothing a token that is never written. In each half of the entries
    a token is fulfilled once at most, so that no two are written to one place.
    """
    kinds = {"bias_after": INT32, "bias_token": INT32, "bias_boost": FLOAT}
    after, token, boost = (graph.input(name, kind, [rows, ENTRIES]) for name, kind in kinds.items())
    after, token = (graph.node("Cast", [each], to=INT64) for each in (after, token))
    classes = np.full(vocabulary.blocks * BLOCK, AFTER_ANY)
    classes[list(vocabulary.open)] = AFTER_OPEN
    of_class = graph.node("Gather", [graph.constant("token_class", classes), before])
    asked = (graph.constant("after_any", np.array(AFTER_ANY)), before, of_class)
    any_of, *others = (graph.node("Equal", [after, each]) for each in asked)
    for other in others:
        any_of = graph.node("Or", [any_of, other])
    nowhere = graph.constant("never_written", np.array(vocabulary.tokens.start_of_transcript))
    place = graph.node("Where", [any_of, token, nowhere])
    added = graph.node("Where", [any_of, boost, graph.exact("zero", np.array(0.0))])
    higher = graph.node("Add", [graph.node("GatherElements", [logits, place], axis=1), added])
    raised = logits
    for first, stop in ((0, MOST_BEGINNINGS), (MOST_BEGINNINGS, ENTRIES)):
        half = [graph.slice(each, first, stop, axis=1) for each in (place, higher)]
        raised = graph.node("ScatterElements", [raised, *half], axis=1)
    return raised


def prompt_probabilities(graph: Graph, vocabulary: Vocabulary, logits: str) -> None:
    """Adds what is asked at <|startoftranscript|>: which language, and whether nobody spoke.

    outputs: language (b, languages), softmax over the language tokens; no_speech (b,), over the whole vocabulary
    """
    tokens, count = vocabulary.tokens, language_slots(vocabulary.size)
    spoken = graph.slice(logits, tokens.first_language, tokens.first_language + count, axis=1)
    graph.output(graph.node("Softmax", [spoken], axis=1), "language", FLOAT, ["rows", count])
    whole = graph.slice(logits, 0, vocabulary.size, axis=1)
    probabilities = graph.node("Softmax", [whole], axis=1)
    silence = graph.slice(probabilities, tokens.no_speech, tokens.no_speech + 1, axis=1)
    graph.output(graph.node("Squeeze", [silence, graph.integers(1)]), "no_speech", FLOAT, ["rows"])


def _best(graph: Graph, table: str, peaks: str, blocks: int) -> str:
    """First of the highest scores, (b, 1): by blocks, because a reduction over a row as long as the vocabulary
    leaves most of a GPU idle.

    table: (b, blocks, BLOCK); peaks: (b, blocks), each block's highest
    """
    block = _within(graph, graph.node("ArgMax", [peaks], axis=1, keepdims=1), "block", blocks)
    tokens = graph.node("GatherND", [table, block], batch_dims=1)
    return _token(graph, block, graph.node("ArgMax", [tokens], axis=1, keepdims=1))


def _token(graph: Graph, block: str, within: str) -> str:
    start = graph.node("Mul", [block, graph.constant("block_size", np.array(BLOCK))])
    return graph.node("Add", [start, within])


def _within(graph: Graph, index: str, name: str, count: int) -> str:
    """An index of `count` things, whatever the argmax of what is no number is: something is looked up by it."""
    at_least = graph.node("Max", [index, graph.constant(f"first_{name}", np.array(0))])
    return graph.node("Min", [at_least, graph.constant(f"last_{name}", np.array(count - 1))])


def _logprob(graph: Graph, below: str, chosen: str) -> str:
    """Natural logarithm of a token's probability: (b,). below: (b, blocks, BLOCK), scores less their maximum"""
    sums = graph.node("ReduceSum", [graph.node("Exp", [below]), graph.integers(2)], keepdims=0)
    total = graph.node("Log", [graph.node("ReduceSum", [sums, graph.integers(1)], keepdims=1)])
    scores = graph.node("Flatten", [below], axis=1)
    logit = graph.node("GatherElements", [scores, chosen], axis=1)
    return graph.node("Squeeze", [graph.node("Sub", [logit, total]), graph.integers(1)])


def _draw(graph: Graph, blocks: int, scores: str, draw: str) -> str:
    """Inverse of the cumulative softmax at `draw`, (b, 1): first the block, then the token within it.

    scores: (b, blocks, BLOCK), the highest of each row zero
    Two small triangular products instead of a scan over the vocabulary. A token of probability zero is
    never drawn: the target stays below the sum, and the first sum above it ends at a positive term.
    """
    table = graph.node("Exp", [scores])
    sums = graph.node("ReduceSum", [table, graph.integers(2)], keepdims=0)  # (b, blocks)
    running = _running_sum(graph, sums, blocks)
    target = graph.node("Mul", [draw, graph.slice(running, blocks - 1, blocks, axis=1)])
    block = _first_above(graph, running, target, blocks)
    before = graph.node("GatherElements", [graph.node("Sub", [running, sums]), block], axis=1)
    tokens = graph.node("GatherND", [table, block], batch_dims=1)  # (b, BLOCK)
    rest = graph.node("Sub", [target, before])
    return _token(graph, block, _first_above(graph, _running_sum(graph, tokens, BLOCK), rest, BLOCK))


def _running_sum(graph: Graph, terms: str, count: int) -> str:
    """(b, count) → (b, count), each the sum of the terms up to its own."""
    triangle = np.triu(np.ones((count, count), np.float32))
    return graph.node("MatMul", [terms, graph.exact(f"triangle_{count}", triangle)])


def _first_above(graph: Graph, running: str, target: str, count: int) -> str:
    """Index of the first sum above the target, which is held between zero and the last: (b, 1)."""
    last = graph.node("Mul", [graph.slice(running, count - 1, count, axis=1), graph.exact("below_one", BELOW_ONE)])
    held = graph.node("Max", [graph.node("Min", [target, last]), graph.exact("zero", np.array(0.0))])
    passed = graph.node("Cast", [graph.node("LessOrEqual", [running, held])], to=FLOAT)
    index = graph.node("ReduceSum", [passed, graph.integers(1)], keepdims=1)
    return graph.node("Cast", [index], to=INT64)
