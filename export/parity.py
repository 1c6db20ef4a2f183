"""Does what was exported say the same as the reference? Every network is held against torch in float32."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from export.reference import Reference
from export.weights import Weights
from speech.audio import SAMPLE_RATE, Samples
from speech.whisper.engine import GREEDY
from speech.whisper.log_mel import FRAMES_PER_CONTEXT, log_mel
from speech.whisper.onnx_engine import OnnxEngine

SECONDS = 6  # of the sound that is compared
CONTEXT = 400  # encoder frames
TOKENS = 12  # decoded and compared


class ParityError(RuntimeError):
    """The export differs from the reference by more than rounding explains: it must not be served."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    graph: float = 1e-4  # float32 graph: relative root mean square
    encoder: float = 0.3  # 8-bit encoder, likewise
    decoder: float = 0.35  # largest difference of a chosen token's log-probability
    alignment: float = 0.1  # largest difference of an alignment weight


def probe_sound() -> Samples:
    """A voice-like sound that needs no recording: gliding harmonics in bursts, over faint noise."""
    time = np.arange(SECONDS * SAMPLE_RATE) / SAMPLE_RATE
    pitch = 120 + 40 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    voice = sum(np.sin(n * phase) / n for n in range(1, 20)) * (np.sin(2 * np.pi * 3 * time) > -0.3)
    noise = np.random.default_rng(0).standard_normal(len(time))
    sound: Samples = (0.1 * voice + 0.003 * noise).astype(np.float32)
    return sound


def check_graph(path: Path, weights: Weights, tolerance: float) -> float:
    """Relative error of an encoder graph's output. raises: ParityError"""
    mel = log_mel(probe_sound(), weights.dimensions.n_mels, FRAMES_PER_CONTEXT * CONTEXT)
    reference = Reference(weights)
    expected = reference.cross(reference.encode(mel))
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"mel": mel[None]})
    return _within("encoder", _relative_error(found.reshape(expected.shape), expected), tolerance)


def warm_up(folder: Path) -> None:
    """Runs the engine once, so that its kernels lie compiled in their cache before anything is served."""
    engine = OnnxEngine(folder, slots=1, threads=2)
    engine.encode([0], [probe_sound()], [CONTEXT])
    engine.prefill([0], [engine.manifest.sot_sequence("en")])
    engine.step([0], [GREEDY]).result()
    engine.close()


def check_engine(folder: Path, weights: Weights, tolerance: Tolerance) -> dict[str, float]:
    """Decodes a few tokens with the engine and again, token by token, with the reference.

    raises: ParityError
    """
    engine = OnnxEngine(folder, slots=1, threads=2)
    sound = probe_sound()
    manifest = engine.manifest
    prompt = manifest.sot_sequence("en")
    engine.encode([0], [sound], [CONTEXT])
    engine.prefill([0], [prompt])
    steps = [engine.step([0], [GREEDY]).result() for _ in range(TOKENS)]
    found = engine.attention(0, TOKENS, CONTEXT)
    engine.close()

    reference = Reference(weights)
    mel = log_mel(sound, weights.dimensions.n_mels, FRAMES_PER_CONTEXT * CONTEXT)
    tokens = [int(step.tokens[0]) for step in steps]
    logits, seen = reference.decode([*prompt, *tokens[:-1]], reference.encode(mel))
    logprobs = _suppressed(logits.numpy()[len(prompt) - 1 :], manifest.suppressed, manifest.suppressed_first)
    expected = logprobs[np.arange(TOKENS), tokens]
    chosen = np.array([step.logprobs[0] for step in steps])
    weights_expected = np.stack([seen[layer][head, len(prompt) - 1 :] for layer, head in manifest.alignment_heads])
    return {
        "decoder": _within("decoder", float(np.abs(chosen - expected).max()), tolerance.decoder),
        "alignment": _within("alignment", float(np.abs(found - weights_expected).max()), tolerance.alignment),
    }


def _suppressed(logits: NDArray[np.float32], always: tuple[int, ...], first: tuple[int, ...]) -> NDArray[np.float64]:
    masked = logits.astype(np.float64)
    masked[:, list(always)] = -np.inf
    masked[0, list(first)] = -np.inf
    peak = masked.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = masked - peak - np.log(np.exp(masked - peak).sum(axis=1, keepdims=True))
    return result


def _relative_error(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(np.sqrt(((found - expected) ** 2).mean() / (expected**2).mean()))


def _within(name: str, error: float, tolerance: float) -> float:
    if not error <= tolerance:
        raise ParityError(f"{name} differs from the reference by {error:.3g}, more than {tolerance:.3g}")
    return round(error, 8)
