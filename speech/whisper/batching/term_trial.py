"""A window's key terms on trial: decoded with all of them, then without, then with those that were heard."""

from __future__ import annotations

from dataclasses import replace

from speech.whisper.batching.sequence import Hypothesis, Sequence
from speech.whisper.batching.term_bias import TermTries
from speech.whisper.batching.term_evidence import may_have_decided, weigh_terms
from speech.whisper.tokenizer import Tokenizer


def weigh_text(sequence: Sequence, hypothesis: Hypothesis, tries: TermTries, tokenizer: Tokenizer) -> Hypothesis | None:
    """The text with key terms where the one without bears it out. None: it takes another decoding, with
    `sequence.terms`, to tell.
    """
    trie, terms = tries.of(sequence.terms), sequence.terms
    if sequence.attempt.temperature or (trie is None and sequence.with_terms is None):
        return hypothesis
    if trie is not None and not may_have_decided(trie, hypothesis.tokens, hypothesis.logprobs):
        return _settled(sequence, hypothesis, ())
    chosen = sequence.without_terms is not None
    if trie is None:
        sequence.without_terms, terms = hypothesis, sequence.request.keyterms
    else:
        sequence.with_terms, sequence.terms = hypothesis, ()
    biased, unbiased = sequence.with_terms, sequence.without_terms
    if biased is None or unbiased is None:
        return None
    with_terms, without = (tokenizer.decode(each.tokens.tolist()) for each in (biased, unbiased))
    evidence = weigh_terms(with_terms, without, terms, chosen=chosen)
    if evidence.heard and not evidence.whole and len(evidence.heard) < len(terms):
        sequence.terms = evidence.heard
        return None
    if not evidence.whole:
        return _settled(sequence, unbiased, ())
    probable = max(biased.average_logprob, unbiased.average_logprob)  # a rare name is no sign of a bad text
    return _settled(sequence, replace(biased, verdict=unbiased.verdict, average_logprob=probable), evidence.heard)


def _settled(sequence: Sequence, hypothesis: Hypothesis, heard: tuple[str, ...]) -> Hypothesis:
    """What follows, if this text is not believed, is decoded with the terms that were heard alone: the others are not
    to find words in noise.
    """
    sequence.terms = heard
    sequence.with_terms = sequence.without_terms = None
    return hypothesis
