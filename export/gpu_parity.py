"""Do the GPU's graphs say what the reference says? ONNX Runtime runs the very files that a GPU will run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from export.decoder import DECODER_GRAPH
from export.encoder import ENCODER_GRAPH
from export.onnx_decoder import Answer, Feed, OnnxDecoder, open_graph
from export.parity import ParityError, largest_difference, probe_sound, relative_error, softmax, suppressed, within
from export.reference import Reference
from export.weights import HEAD_SIZE, Weights
from speech.whisper.engine import GREEDY, Sampling
from speech.whisper.log_mel import MAX_SAMPLES, log_mel
from speech.whisper.manifest import Manifest

STEPS = 8  # tokens decoded and compared
PAUSE = 3  # the step at which the second row is left out
Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class GpuTolerance:
    encoder: float = 1e-2  # relative root mean square, log-mel included
    probability: float = 1e-2  # largest difference of a language's or silence's
    logprob: float = 0.1  # largest difference of a chosen token's log-probability
    choice: float = 0.1  # by which a greedy token's log-probability may lie below the best one
    draw: float = 2e-2  # distance of a draw from the share of the distribution that its token holds
    alignment: float = 1e-2  # largest difference of an alignment weight


def check_gpu_graphs(folder: Path, weights: Weights, manifest: Manifest, tolerance: GpuTolerance) -> dict[str, float]:
    """Largest error by name, of encoder.onnx and decoder.onnx. raises: ParityError"""
    reference = Reference(weights)
    audio = np.zeros(MAX_SAMPLES, np.float32)
    audio[: len(probe_sound())] = probe_sound()
    encoded = reference.encode(log_mel(audio, weights.dimensions.n_mels))
    cross = reference.cross(encoded)
    errors = {"encoder": (_encoder_error(folder / ENCODER_GRAPH, audio, cross), tolerance.encoder)}
    said = _decode(folder / DECODER_GRAPH, cross, manifest)
    errors |= _decoder_errors(said, reference, encoded, manifest, tolerance)
    return {name: within(name, error, limit) for name, (error, limit) in errors.items()}


def _encoder_error(path: Path, audio: Array, cross: Array) -> float:
    """Of every layer's keys and values, put side by side as the reference has them."""
    session = open_graph(path)
    layers, heads = cross.shape[1], cross.shape[3] // HEAD_SIZE
    names = [f"cross_{part}_{layer}" for layer in range(layers) for part in ("key", "value")]
    parts = session.run(names, {"audio": audio[None]})
    found = np.stack([part[0].transpose(1, 0, 2).reshape(-1, heads * HEAD_SIZE) for part in parts], axis=1)
    return relative_error(found.astype(np.float32).reshape(cross.shape), cross)


@dataclass(frozen=True, slots=True)
class Said:
    """What two rows decoded after the same prompt: the first greedily, the second by sampling."""

    prompt: list[int]
    heard: Answer  # at <|startoftranscript|>
    greedy: list[int]
    drawn: list[int]
    draws: list[float]  # one per drawn token
    logprobs: NDArray[np.float64]  # (2, tokens)
    looks: Array  # (2, heads, tokens, frames)


def _decode(path: Path, cross: Array, manifest: Manifest) -> Said:
    prompt = manifest.sot_sequence("en")
    decoder = OnnxDecoder(path, [cross, cross])
    heard = decoder.run([Feed(prompt, 0)] * 2)
    rows, draws = ([prompt[-1]], [prompt[-1]]), []
    logprobs: tuple[list[float], list[float]] = ([], [])
    ways = (GREEDY, Sampling(1.0))
    for step in range(STEPS + 1):
        pausing, draw = step == PAUSE, (step + 0.5) / (STEPS + 1)
        feeds = [
            _next(prompt, row, sampling) for row, sampling in zip(rows, (GREEDY, Sampling(1.0, draw)), strict=True)
        ]
        answer = decoder.run([feeds[0], replace(feeds[1], active=not pausing)])
        if pausing and answer.token[1] != rows[1][-1]:
            raise ParityError("a row that was left out of a step did not keep its token")
        for row in range(1 if pausing else 2):
            rows[row].append(int(answer.token[row]))
            logprobs[row].append(float(answer.logprob[row]))
        draws += [] if pausing else [draw]
    first = len(prompt) - 1
    looks = decoder.caches["looks"][:, :, first : first + STEPS].astype(np.float32)
    said = np.array([row[:STEPS] for row in logprobs])
    return Said(prompt, heard, rows[0][1 : STEPS + 1], rows[1][1:], draws, said, looks)


def _next(prompt: list[int], row: list[int], sampling: Sampling) -> Feed:
    """The last token of a row, at its place: right after the prompt it is the prompt's own last."""
    return Feed([row[-1]], len(prompt) + len(row) - 2, first=len(row) == 1, sampling=sampling)


def _decoder_errors(
    said: Said, reference: Reference, encoded: Tensor, manifest: Manifest, tolerance: GpuTolerance
) -> dict[str, tuple[float, float]]:
    first = len(said.prompt) - 1
    passes = [reference.decode([*said.prompt, *row[:-1]], encoded) for row in (said.greedy, said.drawn)]
    expected = np.stack([suppressed(logits.numpy()[first:], manifest.suppressed, manifest.suppressed_first)
                         for logits, _ in passes])  # fmt: skip
    alignment = np.stack(
        [[seen[layer][head, first:].numpy() for layer, head in manifest.alignment_heads] for _, seen in passes]
    )
    start = passes[0][0].numpy()[0].astype(np.float64)
    chosen = [[row[index, token] for index, token in enumerate(tokens)]
              for row, tokens in zip(expected, (said.greedy, said.drawn), strict=True)]  # fmt: skip
    language = slice(manifest.tokens.first_language, manifest.tokens.first_language + said.heard.language.shape[1])
    return {
        "language": (largest_difference(said.heard.language, softmax(start[language])), tolerance.probability),
        "no_speech": (
            largest_difference(said.heard.no_speech, softmax(start)[manifest.tokens.no_speech]), tolerance.probability
        ),
        "decoder": (largest_difference(said.logprobs, np.array(chosen)), tolerance.logprob),
        "choice": (float((expected[0].max(axis=1) - chosen[0]).max()), tolerance.choice),
        "draw": (max(map(_distance, said.draws, said.drawn, np.exp(expected[1]))), tolerance.draw),
        "alignment": (largest_difference(said.looks, alignment), tolerance.alignment),
    }  # fmt: skip


def _distance(draw: float, token: int, probabilities: NDArray[np.float64]) -> float:
    """How far a draw lies outside of the share that its token holds of the cumulative distribution."""
    end = float(probabilities[: token + 1].sum())
    return max(end - float(probabilities[token]) - draw, draw - end, 0.0)
