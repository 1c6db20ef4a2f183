"""The engine of machines without a GPU: an 8-bit encoder, and compiled kernels that decode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech.audio import Pcm, to_samples
from speech.whisper.cpu.cache_kernels import new_kv_cache
from speech.whisper.cpu.decoder_kernels import new_decoder_workspace, run_head, run_layers
from speech.whisper.cpu.decoder_layout import decoder_layers
from speech.whisper.cpu.encoders import open_encoder
from speech.whisper.cpu.float_kernels import MAX_ROWS
from speech.whisper.cpu.panel_layout import PANEL
from speech.whisper.cpu.selection_kernels import CANDIDATES, MARGIN, run_selection
from speech.whisper.cpu.threads import ThreadTeam
from speech.whisper.engine import CompletedAlignment, CompletedStep, EngineError, Prefill, Sampling, Step, TokenBias
from speech.whisper.log_mel import FRAMES_PER_CONTEXT, Mel, log_mel
from speech.whisper.manifest import Manifest, read_manifest

DECODER_FILE = "decoder.npz"
SUPPRESSED = np.float32(-1e30)  # added to logits; finite, so that it survives every order of summing

Floats = NDArray[np.float32]


class CpuEngine:
    """Engine of one exported model on `threads` cores. Not to be called by several threads at once.

    folder: where `python -m export whisper --target cpu` wrote
    manifest: of an export that has none in its folder yet
    raises: InvalidManifest, EngineError if the files cannot be read
    """

    lookahead = 0
    partial_contexts = True

    def __init__(self, folder: Path, slots: int = 16, threads: int = 2, manifest: Manifest | None = None) -> None:
        self.manifest = manifest or read_manifest(folder)
        self.dimensions = self.manifest.dimensions
        self.slots = slots
        self.encode_batch = threads
        self._team = ThreadTeam(threads)
        self._encoder = open_encoder(folder, self.dimensions, self._team)
        with np.load(folder / DECODER_FILE) as arrays:
            self._embedding = arrays["embedding"]  # float16 (vocabulary, d)
            self._positions = arrays["positions"]  # float32 (448, d)
            self._layers = decoder_layers(arrays)
        self._cache = new_kv_cache(self.dimensions, slots, self.manifest.alignment_heads)
        self._workspace = new_decoder_workspace(self.dimensions, threads)
        self._logits = np.zeros((MAX_ROWS, len(self._layers.head) * PANEL), np.float32)
        self._masks = self._suppression()
        self._state = [_Slot() for _ in range(slots)]
        self._hidden = np.zeros((slots, self.dimensions.n_text_state), np.float32)

    def encode(self, slots: Sequence[int], audio: Sequence[Pcm], contexts: Sequence[int]) -> None:
        for slot in slots:
            self.rewind(slot)
        jobs = list(zip(audio, contexts, strict=True))
        try:
            for slot, mel in zip(slots, self._team.map(self._log_mel, jobs), strict=True):
                self._encoder.encode(slot, mel, self._cache)
        except Exception as error:
            raise EngineError(f"the encoder failed: {error}") from error

    def _log_mel(self, window: Pcm, context: int) -> Mel:
        return log_mel(to_samples(window), self.dimensions.n_mels, FRAMES_PER_CONTEXT * context)

    def context(self, frames: int) -> int:
        return frames

    def encoded(self, slot: int) -> bool:
        return True

    def rewind(self, slot: int) -> None:
        self._state[slot] = _Slot()

    def prefill(self, slots: Sequence[int], prompts: Sequence[Sequence[int]]) -> list[Prefill]:
        start = self.manifest.tokens.start_of_transcript
        answers = []
        for slot, prompt in zip(slots, prompts, strict=True):
            self._feed_chosen([slot])
            answer = Prefill(np.zeros(0, np.float32), 0.0)
            at = list(prompt).index(start) + 1 if start in prompt else 0
            if at:
                self._feed_prompt(slot, prompt[:at])
                answer = self._read_probabilities(slot)
            self._feed_prompt(slot, prompt[at:])
            self._state[slot].first = True
            answers.append(answer)
        return answers

    def span_languages(self, slot: int, spans: Sequence[tuple[int, int]]) -> Floats:
        start = [self.manifest.tokens.start_of_transcript]
        whole = int(self._cache.frames[slot])
        found = np.zeros((len(spans), len(self.manifest.languages)), np.float32)
        try:
            for row, (first, stop) in enumerate(spans):
                self.rewind(slot)
                self._cache.first_frames[slot], self._cache.frames[slot] = first, stop
                self._feed_prompt(slot, start)
                found[row] = self._read_probabilities(slot).language_probabilities
        finally:
            self._cache.first_frames[slot], self._cache.frames[slot] = 0, whole
            self.rewind(slot)
        return found

    def step(self, slots: Sequence[int], sampling: Sequence[Sampling]) -> CompletedStep:
        tokens = np.zeros(len(slots), np.int32)
        logprobs = np.zeros(len(slots), np.float32)
        self._feed_chosen(slots)
        for first in range(0, len(slots), MAX_ROWS):
            part = slice(first, first + MAX_ROWS)
            tokens[part], logprobs[part] = self._choose(slots[part], sampling[part])
        for slot, token in zip(slots, tokens, strict=True):
            self._state[slot].unfed = int(token)
            self._state[slot].first = False
        return CompletedStep(Step(tokens, logprobs))

    def verify(self, slot: int, draft: Sequence[int], sampling: Sequence[Sampling]) -> Step:
        first = self.step([slot], sampling[:1]).step
        tokens, logprobs = first.tokens.tolist(), first.logprobs.tolist()
        state, at = self._state[slot], 0
        while at < len(draft) and tokens[-1] == draft[at]:
            part = list(draft[at : at + MAX_ROWS])
            start, state.unfed = state.length, None
            self._pass([slot] * len(part), part)
            hidden = self._workspace.hidden[: len(part)].copy()
            chosen, sure = self._select(hidden, np.zeros(len(part), np.int64), sampling[at + 1 : at + 1 + len(part)])
            differs = np.flatnonzero(chosen[:-1] != part[1:])
            right = int(differs[0]) + 1 if differs.size else len(part)  # rows that read nothing but what was chosen
            state.length, state.unfed = start + right, int(chosen[right - 1])
            tokens += chosen[:right].tolist()
            logprobs += sure[:right].tolist()
            at += right
        return Step(np.array(tokens, np.int32), np.array(logprobs, np.float32))

    def fetch_alignment(self, slot: int, tokens: int, frames: int) -> CompletedAlignment:
        return CompletedAlignment(self.alignment(slot, tokens, frames))

    def alignment(self, slot: int, tokens: int, frames: int) -> Floats:
        length = self._state[slot].length
        kept: Floats = self._cache.alignment[slot, :, length - tokens : length, :frames].copy()
        return kept

    def close(self) -> None:
        self._team.close()

    def _feed_chosen(self, slots: Sequence[int]) -> None:
        """Feeds each slot the token that it chose last."""
        waiting = [(slot, self._state[slot].unfed) for slot in slots]
        pairs = [(slot, token) for slot, token in waiting if token is not None]
        self._feed([slot for slot, _ in pairs], [token for _, token in pairs])
        for slot, _ in pairs:
            self._state[slot].unfed = None

    def _feed_prompt(self, slot: int, tokens: Sequence[int]) -> None:
        self._feed([slot] * len(tokens), list(tokens))

    def _feed(self, slots: Sequence[int], tokens: Sequence[int]) -> None:
        """Appends one token a row to the rows' slots; a slot may come several times, in order."""
        for first in range(0, len(slots), MAX_ROWS):
            part = slots[first : first + MAX_ROWS]
            self._pass(part, tokens[first : first + MAX_ROWS])

    def _pass(self, slots: Sequence[int], tokens: Sequence[int]) -> None:
        count = len(slots)
        for row, slot in enumerate(slots):
            state = self._state[slot]
            if state.length >= self.dimensions.n_text_ctx:
                raise EngineError(f"slot {slot} is full: {state.length} tokens")
            self._workspace.slots[row], self._workspace.positions[row] = slot, state.length
            state.length += 1
        positions = self._positions[self._workspace.positions[:count]]
        self._workspace.hidden[:count] = self._embedding[list(tokens)] + positions
        self._workspace.counters[0] = 0
        self._team.run(run_layers, count, self._layers, self._cache, self._workspace)
        self._hidden[list(slots)] = self._workspace.hidden[:count]  # the last row of a slot stays

    def _project(self, hidden: Floats) -> Floats:
        """Normed final hidden states of up to 8 rows; their 8-bit logits are left in place."""
        count = len(hidden)
        self._workspace.hidden[:count] = hidden
        self._team.run(run_head, count, self._layers, self._workspace, self._logits)
        normed: Floats = self._workspace.normed[0, :count]
        return normed

    def _choose(self, slots: Sequence[int], sampling: Sequence[Sampling]) -> tuple[NDArray[np.int32], Floats]:
        """Tokens and log-probabilities of up to 8 slots."""
        kinds = np.array([self._state[slot].first for slot in slots], np.int64)
        return self._select(self._hidden[list(slots)], kinds, sampling)

    def _select(
        self, last: Floats, kinds: NDArray[np.int64], sampling: Sequence[Sampling]
    ) -> tuple[NDArray[np.int32], Floats]:
        """Of up to 8 rows' hidden states. Candidates are weighed by exact logits. kinds: 1 for a first step"""
        count = len(last)
        hidden = self._project(last)
        chosen = np.empty((count, CANDIDATES), np.int64)
        sums = np.empty(count, np.float32)
        self._team.run(run_selection, self._logits, self._masks, kinds, chosen, sums)
        tokens, logprobs = np.empty(count, np.int32), np.empty(count, np.float32)
        for row, how in enumerate(sampling):
            if how.temperature > 0:
                token = _draw(self._logits[row], how)
                tokens[row], logprobs[row] = token, self._logits[row, token] - sums[row]
                continue
            candidates = chosen[row][chosen[row] >= 0]
            if how.bias is not None:
                candidates = self._raised(self._logits[row], candidates, how.bias)
            exact = self._embedding[candidates].astype(np.float32) @ hidden[row]
            best = int((exact + _boosts(candidates, how.bias)).argmax())
            shift = np.exp(exact - sums[row]).sum() - np.exp(self._logits[row, candidates] - sums[row]).sum()
            tokens[row] = candidates[best]
            logprobs[row] = exact[best] - sums[row] - np.log1p(max(shift, -0.5))
        return tokens, logprobs

    @staticmethod
    def _raised(logits: Floats, candidates: NDArray[np.int64], bias: TokenBias) -> NDArray[np.int64]:
        """The candidates, and the biased tokens that may come before them."""
        least = (logits[candidates] + _boosts(candidates, bias)).max() - MARGIN
        raised = bias.tokens[logits[bias.tokens] + bias.boosts >= least]
        joined: NDArray[np.int64] = np.union1d(candidates, raised)
        return joined

    def _read_probabilities(self, slot: int) -> Prefill:
        """Of the languages and of silence, right after <|startoftranscript|>."""
        hidden = self._project(self._hidden[[slot]])[0]
        logits = self._logits[0, : self.dimensions.n_vocab]
        tokens = self.manifest.tokens
        peak = logits.max()
        silence = np.exp(logits[tokens.no_speech] - peak) / np.exp(logits - peak).sum()
        first = tokens.first_language
        spoken = self._embedding[first : first + len(self.manifest.languages)].astype(np.float32) @ hidden
        return Prefill(_softmax(spoken), float(silence))

    def _suppression(self) -> Floats:
        """What is added to the logits of any step, and of a first step: (2, padded vocabulary)."""
        mask = np.zeros(self._logits.shape[1], np.float32)
        mask[self.dimensions.n_vocab :] = SUPPRESSED
        mask[list(self.manifest.suppressed)] = SUPPRESSED
        first = mask.copy()
        first[list(self.manifest.suppressed_first)] = SUPPRESSED
        return np.stack([mask, first])


@dataclass(slots=True)
class _Slot:
    length: int = 0  # tokens in the self-attention cache
    unfed: int | None = None  # chosen, not yet in the cache
    first: bool = True  # no token was chosen since the prompt


def _softmax(logits: Floats) -> Floats:
    weights = np.exp(logits - logits.max(initial=0.0))
    result: Floats = weights / max(weights.sum(), 1e-30)
    return result


def _boosts(tokens: NDArray[np.int64], bias: TokenBias | None) -> Floats:
    """What is added to each token's logit: (tokens,)."""
    boosts = np.zeros(len(tokens), np.float32)
    if bias is not None and len(bias.tokens):
        order = np.argsort(bias.tokens)
        places = order[np.minimum(np.searchsorted(bias.tokens[order], tokens), len(order) - 1)]
        boosts = np.where(bias.tokens[places] == tokens, bias.boosts[places], np.float32(0))
    return boosts


def _draw(logits: Floats, sampling: Sampling) -> int:
    """Inverse CDF of softmax((logits + bias) / temperature)."""
    if sampling.bias is not None:
        logits = logits.copy()
        logits[sampling.bias.tokens] += sampling.bias.boosts
    weights = np.exp((logits.astype(np.float64) - logits.max()) / sampling.temperature)
    return int(np.searchsorted(weights.cumsum(), sampling.draw * weights.sum(), side="right"))
