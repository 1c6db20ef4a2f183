"""When a live session decodes, commits and forgets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gateway.streaming.end_of_turn import TurnPolicy, TurnRule
from gateway.streaming.endpoint import EndpointPolicy
from speech.activity import CHUNK, CHUNK_SECONDS
from speech.audio import SAMPLE_RATE

WEIGHED = 3 * CHUNK  # samples of silence after which the evidence for the end of a turn is sought: 96 ms


def samples(seconds: float) -> int:
    return int(seconds * SAMPLE_RATE)


@dataclass(frozen=True, slots=True)
class StreamPolicy:
    """Samples unless the name says otherwise."""

    endpoint: EndpointPolicy = field(default_factory=EndpointPolicy)
    turn: TurnPolicy | None = None  # None: the endpoint's silence alone ends turns
    tells_turns: bool = False  # in messages of their own
    first_update: int = samples(0.25)  # of speech, before its first decoding
    update: int = samples(0.4)  # of new audio between two decodings, when the machine is not busy
    slowest_update: int = samples(8.0)
    quiet: int = samples(0.3)  # of silence after which a sentence is decoded without waiting for `update`
    unsettled: int = samples(0.3)  # at the end of a window, where words are not committed yet
    padding: int = samples(0.3)  # of audio kept around speech
    trim: int = samples(12.0)  # window from which committed audio leaves it
    breath: int = samples(3.0)  # pause after which a new utterance does not go on in the window of the last one
    longest: int = samples(25.0)  # window that is committed though nobody paused
    muted_seconds: float | None = 0.6  # without sound, after which what was said is final; None: never
    every_pause: bool = False  # whether each ends an utterance, also of a session that lags behind
    stride: int = samples(1.0)  # of audio given to voice activity detection at a time
    backlog: int = samples(600.0)  # of audio that may wait before the client is made to wait (19 MB)

    @property
    def enough_silence(self) -> int:
        """Behind the speech of an utterance, in a decoding that is to be its last."""
        return min(self.quiet, self.padding // 2)


def turn_policy(turn: TurnPolicy, *, told: bool) -> StreamPolicy:
    """Of sessions whose turns end as `turn` says. told: in messages of their own"""
    policy = StreamPolicy(
        endpoint=EndpointPolicy(silence_chunks=round(turn.longest_silence / CHUNK_SECONDS)),
        turn=turn if turn.rule is TurnRule.EVIDENCE else None,
        tells_turns=told,
    )
    if policy.turn is None:
        return policy
    return replace(policy, quiet=min(policy.quiet, WEIGHED))
