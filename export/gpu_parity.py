"""Compares the graphs for GPUs with the reference: ONNX Runtime runs, on the CPU, the files that a GPU will run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from export.decoder_session import DecoderAnswer, DecoderRow, DecoderSession, open_graph
from export.parity import ParityError, checked, largest_difference, probe_audio, relative_error, suppressed
from export.reference import Floats, Reference, softmax
from export.weights import Weights
from speech.audio import Pcm, to_pcm, to_samples
from speech.whisper.engine import GREEDY, HEAD_SIZE, Sampling
from speech.whisper.gpu.artifacts import CONTEXTS, DECODER_GRAPH, ENCODER_GRAPH, FRAME_BYTES, STEP_GRAPH
from speech.whisper.log_mel import FRAMES_PER_CONTEXT, MAX_SAMPLES, log_mel
from speech.whisper.manifest import Manifest

STEPS = 8  # tokens decoded and compared
PAUSE = 3  # the step at which the second row is left out
Array = NDArray[np.float32]


TOLERANCE = {
    "encoder": 1e-2,  # relative root mean square of keys and values, log-mel included
    "language": 1e-2,  # largest difference of a probability
    "no_speech": 1e-2,  # likewise
    "logprob": 0.1,  # largest difference of a chosen token's log-probability
    "choice": 0.1,  # by which a greedy token's log-probability may lie below the best one
    "draw": 2e-2,  # distance of a draw from the share of the distribution that its token holds
    "alignment": 1e-2,  # largest difference of an alignment weight
}


def check_gpu_graphs(
    folder: Path, weights: Weights, manifest: Manifest, tolerance: Mapping[str, float] = TOLERANCE
) -> dict[str, float]:
    """Largest error by name, of encoder.onnx, decoder.onnx and step.onnx. raises: ParityError"""
    reference = Reference(weights)
    pcm = np.zeros(MAX_SAMPLES, np.int16)
    pcm[: len(probe_audio())] = to_pcm(probe_audio())
    encoded = [_encode(reference, pcm, weights.dimensions.n_mels, frames) for frames in CONTEXTS]
    cross = [reference.cross(each) for each in encoded]
    encoder = open_graph(folder / ENCODER_GRAPH)
    error = max(_encoder_error(encoder, pcm, each) for each in cross)
    errors = {"encoder": checked("encoder", error, tolerance["encoder"])}
    decoder = DecoderSession(folder / DECODER_GRAPH, cross, folder / STEP_GRAPH)
    prompt = manifest.sot_sequence("en")
    first = decoder.run([DecoderRow(prompt, 0)] * 2)
    for row, decoded in enumerate(_decode(decoder, prompt)):
        expected = _expect(reference, encoded[row], manifest, decoded.tokens)
        asked = slice(len(prompt) - 1, len(prompt) - 1 + STEPS)
        alignment = decoder.alignment(row, manifest.alignment_heads, asked)
        for name, error in (
            _prompt_errors(first, row, expected, manifest) | _row_errors(decoded, alignment, expected)
        ).items():
            errors[name] = max(errors.get(name, 0.0), checked(name, error, tolerance[name]))
    return errors


def _encode(reference: Reference, pcm: Pcm, n_mels: int, frames: int) -> Floats:
    """A window's beginning: (frames, d)"""
    samples = to_samples(pcm[: frames * FRAME_BYTES // pcm.itemsize])
    return reference.encode(log_mel(samples, n_mels, frames * FRAMES_PER_CONTEXT))


def _encoder_error(session: ort.InferenceSession, pcm: Pcm, cross: Array) -> float:
    """Of every layer's keys and values, put side by side as the reference has them."""
    frames, layers, heads = len(cross), cross.shape[1], cross.shape[3] // HEAD_SIZE
    names = [f"cross_{part}_{layer}" for layer in range(layers) for part in ("key", "value")]
    parts = session.run(names, {"audio": pcm.view(np.uint8)[None, : frames * FRAME_BYTES]})
    found = np.stack([part[0].transpose(1, 0, 2).reshape(-1, heads * HEAD_SIZE) for part in parts], axis=1)
    return relative_error(found.astype(np.float32).reshape(cross.shape), cross)


@dataclass(frozen=True, slots=True)
class DecodedRow:
    """What a row chose after the prompt."""

    sampling: list[Sampling]  # one per token
    tokens: list[int]
    logprobs: list[float]


def _decode(decoder: DecoderSession, prompt: list[int]) -> tuple[DecodedRow, DecodedRow]:
    """The first row greedily, the second by sampling. raises: ParityError if a row left out does not keep its token"""
    draws = [Sampling(1.0, (step + 0.5) / STEPS) for step in range(STEPS)]
    greedy, drawn = DecodedRow([GREEDY] * STEPS, [], []), DecodedRow(draws, [], [])
    for step in range(STEPS):
        feeds = [_next(prompt, decoded) for decoded in (greedy, drawn)]
        if step == PAUSE:
            kept = decoder.run([replace(feeds[0], active=False), feeds[1]]).token[0]
            if kept != greedy.tokens[-1]:
                raise ParityError("a row that was left out of a step did not keep its token")
        answer = decoder.run(feeds)
        for row, decoded in enumerate((greedy, drawn)):
            decoded.tokens.append(int(answer.token[row]))
            decoded.logprobs.append(float(answer.logprob[row]))
    return greedy, drawn


def _next(prompt: list[int], decoded: DecodedRow) -> DecoderRow:
    """The last token of a row, at its place: right after the prompt it is the prompt's own last."""
    fed = [*prompt, *decoded.tokens]
    return DecoderRow(fed[-1:], len(fed) - 1, first=not decoded.tokens, sampling=decoded.sampling[len(decoded.tokens)])


@dataclass(frozen=True, slots=True)
class ReferenceRow:
    """The reference, given the same tokens."""

    start: NDArray[np.float64]  # probabilities (vocabulary,) at <|startoftranscript|>, nothing suppressed
    logprobs: NDArray[np.float64]  # (tokens, vocabulary), the suppressed tokens left out
    alignment: Array  # (heads, tokens, frames)


def _expect(reference: Reference, encoded: Floats, manifest: Manifest, tokens: list[int]) -> ReferenceRow:
    prompt = manifest.sot_sequence("en")
    first = len(prompt) - 1
    logits, weights = reference.decode([*prompt, *tokens[:-1]], encoded)
    logprobs = suppressed(logits[first:], manifest.suppressed, manifest.suppressed_first)
    alignment = np.stack([weights[layer][head, first:] for layer, head in manifest.alignment_heads])
    return ReferenceRow(softmax(logits[0].astype(np.float64)), logprobs, alignment)


def _prompt_errors(first: DecoderAnswer, row: int, expected: ReferenceRow, manifest: Manifest) -> dict[str, float]:
    language = expected.start[manifest.tokens.first_language :][: first.language.shape[1]]
    return {
        "language": largest_difference(first.language[row], language / language.sum()),
        "no_speech": largest_difference(first.no_speech[row : row + 1], expected.start[manifest.tokens.no_speech]),
    }


def _row_errors(decoded: DecodedRow, alignment: Array, expected: ReferenceRow) -> dict[str, float]:
    chosen = expected.logprobs[np.arange(STEPS), decoded.tokens]
    far = [
        _gap(row, token) if sampling == GREEDY else _distance(row, token, sampling.draw)
        for row, token, sampling in zip(expected.logprobs, decoded.tokens, decoded.sampling, strict=True)
    ]
    return {
        "logprob": largest_difference(np.array(decoded.logprobs), chosen),
        "draw" if decoded.sampling[0].temperature else "choice": max(far),
        "alignment": largest_difference(alignment, expected.alignment),
    }


def _gap(logprobs: NDArray[np.float64], token: int) -> float:
    """By how much the token lies below the most probable one."""
    return float(logprobs.max() - logprobs[token])


def _distance(logprobs: NDArray[np.float64], token: int, draw: float) -> float:
    """How far a draw lies outside of the share that its token holds of the cumulative distribution."""
    start, end = (float(np.exp(logprobs[:stop]).sum()) for stop in (token, token + 1))
    return max(start - draw, draw - end, 0.0)
