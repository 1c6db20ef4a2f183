"""Compares what was exported with the reference, network by network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.decoder_session import open_graph
from export.reference import Floats, Reference
from export.references import whisper_reference
from export.weights import Weights
from speech.audio import SAMPLE_RATE, Samples, to_pcm
from speech.whisper.cpu.engine import CpuEngine
from speech.whisper.engine import GREEDY
from speech.whisper.log_mel import FRAMES_PER_CONTEXT, Mel, log_mel
from speech.whisper.manifest import Manifest

SECONDS = 6  # of the sound that is compared
CONTEXT = 400  # encoder frames
TOKENS = 12  # decoded and compared
REFERENCE_TOLERANCE = 2e-3  # largest difference from torch, on outputs of magnitude up to 40


class ParityError(RuntimeError):
    """The export differs from the reference by more than rounding explains: it must not be served."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    graph: float = 1e-4  # float32 graph: relative root mean square
    encoder: float = 0.3  # 8-bit encoder, likewise
    decoder: float = 0.35  # largest difference of a chosen token's log-probability
    alignment: float = 0.1  # largest difference of an alignment weight


@dataclass(frozen=True, slots=True)
class ReferenceOutput:
    """What the reference computes of the probe, once for all networks."""

    reference: Reference
    mel: Mel
    encoded: Floats  # (frames, d)
    cross: NDArray[np.float32]  # (frames, layers, 2, d)


@dataclass(frozen=True, slots=True)
class DecodedTokens:
    """Tokens that the engine chose after the prompt, and what it gave with them."""

    tokens: list[int]
    logprobs: NDArray[np.float32]  # (tokens,)
    alignment: NDArray[np.float32]  # (heads, tokens, frames)


def probe_audio(seconds: int = SECONDS) -> Samples:
    """Audio like a voice that needs no recording: gliding harmonics in bursts, over faint noise."""
    time = np.arange(seconds * SAMPLE_RATE) / SAMPLE_RATE
    pitch = 120 + 40 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    voice = sum(np.sin(n * phase) / n for n in range(1, 20)) * (np.sin(2 * np.pi * 3 * time) > -0.3)
    noise = np.random.default_rng(0).standard_normal(len(time))
    sound: Samples = (0.1 * voice + 0.003 * noise).astype(np.float32)
    return sound


def probe_mel(n_mels: int) -> Mel:
    return log_mel(probe_audio(), n_mels, FRAMES_PER_CONTEXT * CONTEXT)


def run_reference(weights: Weights) -> ReferenceOutput:
    reference = Reference(weights)
    mel = probe_mel(weights.dimensions.n_mels)
    encoded = reference.encode(mel)
    return ReferenceOutput(reference, mel, encoded, reference.cross(encoded))


def check_reference(weights: Weights, sha256: str, output: ReferenceOutput | None = None) -> dict[str, float]:
    """Compares the reference itself with what torch computed, where the file of weights is known by its hash.

    output: what `run_reference` says, if that is at hand
    raises: ParityError
    """
    stored = whisper_reference(sha256)
    if stored is None:
        return {}
    output = output or run_reference(weights)
    logits, alignment = output.reference.decode(stored.inputs["tokens"], output.encoded)
    heads = np.stack([alignment[layer][head] for layer, head in weights.alignment_heads])
    found = {"encoded": output.encoded, "cross": output.cross, "logits": logits, "alignment": heads}
    error = max(stored.difference(name, values) for name, values in found.items())
    return {"reference": checked("the numpy reference", error, REFERENCE_TOLERANCE)}


def check_encoder(path: Path, reference: ReferenceOutput, tolerance: float) -> float:
    """Relative error of an encoder graph's output. raises: ParityError"""
    (found,) = open_graph(path).run(None, {"mel": reference.mel[None]})
    return checked("encoder", relative_error(found.reshape(reference.cross.shape), reference.cross), tolerance)


def warm_up(folder: Path) -> None:
    """Runs the engine once, so that its kernels lie compiled in their cache before anything is served."""
    engine = CpuEngine(folder, slots=1, threads=2)
    engine.encode([0], [to_pcm(probe_audio())], [CONTEXT])
    engine.prefill([0], [engine.manifest.sot_sequence("en")])
    engine.step([0], [GREEDY]).result()
    engine.close()


def check_decoder(
    folder: Path, manifest: Manifest, reference: ReferenceOutput, tolerance: Tolerance
) -> dict[str, float]:
    """Decodes a few tokens with the engine, and the same ones with the reference.

    raises: ParityError
    """
    decoded = _decode(CpuEngine(folder, slots=1, threads=2, manifest=manifest))
    prompt = manifest.sot_sequence("en")
    first = len(prompt) - 1
    logits, weights = reference.reference.decode([*prompt, *decoded.tokens[:-1]], reference.encoded)
    expected = logits[first:]
    alignment = np.stack([weights[layer][head, first:] for layer, head in manifest.alignment_heads])
    logprobs = suppressed(expected, manifest.suppressed, manifest.suppressed_first)
    chosen = logprobs[np.arange(TOKENS), decoded.tokens]
    return {
        "decoder": checked("decoder", largest_difference(decoded.logprobs, chosen), tolerance.decoder),
        "alignment": checked("alignment", largest_difference(decoded.alignment, alignment), tolerance.alignment),
    }


def _decode(engine: CpuEngine) -> DecodedTokens:
    engine.encode([0], [to_pcm(probe_audio())], [CONTEXT])
    engine.prefill([0], [engine.manifest.sot_sequence("en")])
    steps = [engine.step([0], [GREEDY]).result() for _ in range(TOKENS)]
    alignment = engine.alignment(0, TOKENS, CONTEXT)
    engine.close()
    logprobs = np.array([step.logprobs[0] for step in steps])
    return DecodedTokens([int(step.tokens[0]) for step in steps], logprobs, alignment)


def suppressed(logits: NDArray[np.float32], always: tuple[int, ...], first: tuple[int, ...]) -> NDArray[np.float64]:
    masked = logits.astype(np.float64)
    masked[:, list(always)] = -np.inf
    masked[0, list(first)] = -np.inf
    peak = masked.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = masked - peak - np.log(np.exp(masked - peak).sum(axis=1, keepdims=True))
    return result


def relative_error(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(np.sqrt(((found - expected) ** 2).mean() / (expected**2).mean()))


def largest_difference(found: NDArray[np.floating[Any]], expected: NDArray[np.floating[Any]]) -> float:
    return float(np.abs(found - expected).max())


def checked(name: str, error: float, tolerance: float) -> float:
    """The error, rounded. raises: ParityError if it is above the tolerance"""
    if not error <= tolerance:
        raise ParityError(f"{name} differs from the reference by {error:.3g}, more than {tolerance:.3g}")
    return round(error, 8)
