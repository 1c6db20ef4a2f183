"""The turn that goes on in a live session: when it is over, and what a client is told of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.api.stream import TurnEvent
from gateway.streaming import messages
from gateway.streaming.end_of_turn import TurnDecision, TurnEvidence, TurnPolicy, confidence, decide
from gateway.streaming.endpoint import Endpointer
from gateway.streaming.messages import Message
from speech.audio import SAMPLE_RATE


class TurnTracker:
    """Evidence counts for the silence before which it was found: where speech goes on, there is none any more."""

    def __init__(self, policy: TurnPolicy | None, emit: Callable[[Message], Awaitable[None]] | None) -> None:
        """policy: None: the endpointer's silence alone ends turns. emit: None: nothing is told"""
        self._policy, self._emit = policy, emit
        self._start: int | None = None  # samples; None: nobody has spoken since the last turn
        self._evidence: TurnEvidence | None = None
        self._known_end = 0  # samples: end of the speech that the evidence is of
        self._may_be_over = False  # and that was told
        self._sure = 0.0  # confidence that it is over, as it was judged last

    def began(self, speech_start: int) -> None:
        """samples; a turn may begin several times"""
        if self._start is None:
            self._start = speech_start

    async def weigh(self, evidence: TurnEvidence, endpoint: Endpointer) -> None:
        """What a decoding up to a silence tells."""
        self._evidence, self._known_end = evidence, endpoint.speech_end
        await self._tell_early(endpoint)

    async def is_over(self, endpoint: Endpointer) -> bool:
        """Before the endpointer would end it."""
        if endpoint.speech_end > self._known_end:
            self._evidence = None
            if self._may_be_over:
                self._may_be_over = False
                await self._tell("resumed", endpoint.resumed)
        await self._tell_early(endpoint)
        return self._decision(endpoint) is TurnDecision.IS_OVER

    async def ended(self, speech_end: int) -> None:
        """All of its words are final."""
        if self._start is not None:
            await self._tell("end", speech_end)
        self._start, self._evidence, self._may_be_over = None, None, False
        self._sure = 0.0

    async def _tell_early(self, endpoint: Endpointer) -> None:
        if self._decision(endpoint) is not TurnDecision.GOES_ON and not self._may_be_over:
            self._may_be_over = True
            await self._tell("eager_end", endpoint.speech_end)

    def _decision(self, endpoint: Endpointer) -> TurnDecision:
        if self._policy is None:
            return TurnDecision.GOES_ON
        silence = endpoint.silence / SAMPLE_RATE
        self._sure = confidence(self._evidence) if self._evidence is not None else 0.0
        return decide(self._sure, silence, self._policy)

    async def _tell(self, event: TurnEvent, at: int) -> None:
        if self._emit is not None:
            await self._emit(messages.turn(event, (self._start or 0) / SAMPLE_RATE, at / SAMPLE_RATE, self._sure))
