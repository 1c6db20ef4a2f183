"""Whether a text is a window's answer, or the window is tried another way."""

from __future__ import annotations

from dataclasses import replace

from speech.whisper.batching.prompt_echo import bears_out, repeats_prompt
from speech.whisper.batching.rules import Attempt, FallbackSchedule, Verdict, judge
from speech.whisper.batching.sequence import Hypothesis, Sequence
from speech.whisper.batching.slot_state import FinishedText
from speech.whisper.batching.term_bias import TermTries
from speech.whisper.batching.term_trial import weigh_text
from speech.whisper.engine import PendingAlignment
from speech.whisper.tokenizer import Tokenizer


class TextJudge:
    """whole_context: frames of the encoder for 30 s"""

    def __init__(self, tokenizer: Tokenizer, schedule: FallbackSchedule, tries: TermTries, whole_context: int) -> None:
        self._tokenizer = tokenizer
        self._schedule = schedule
        self._tries = tries
        self._whole_context = whole_context

    def next_attempt(
        self, sequence: Sequence, finished: FinishedText, alignment: PendingAlignment
    ) -> tuple[Hypothesis, Attempt | None]:
        """The best text so far, and how the window is tried again; None where that text is the answer."""
        text = self._tokenizer.decode(finished.tokens.tolist())
        hypothesis = Hypothesis(
            verdict=judge(text, finished.average_logprob, sequence.no_speech, finished.stop),
            stop=finished.stop,
            temperature=sequence.attempt.temperature,
            tokens=finished.tokens,
            logprobs=finished.logprobs,
            average_logprob=finished.average_logprob,
            end_logprob=finished.end_logprob,
            alignment=alignment,
        )
        if sequence.attempt.prompted and repeats_prompt(text, sequence.request.prompt):
            sequence.echo = hypothesis
            return hypothesis, replace(sequence.attempt, prompted=False)
        weighed = weigh_text(sequence, self._beside_echo(sequence, hypothesis, text), self._tries, self._tokenizer)
        if weighed is None:
            return hypothesis, sequence.attempt
        whole = sequence.context >= self._whole_context
        return sequence.offer(weighed), self._schedule.next(sequence.attempt, weighed.verdict, whole)

    def _beside_echo(self, sequence: Sequence, hypothesis: Hypothesis, text: str) -> Hypothesis:
        """The text with the prompt, where the one without it bears it out."""
        echo = sequence.echo
        if echo is None or hypothesis.verdict is Verdict.SILENT:
            return hypothesis
        return echo if bears_out(text, self._tokenizer.decode(echo.tokens.tolist())) else hypothesis
