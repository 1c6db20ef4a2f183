"""What a text's attention looked at: evidence that the sound it stands for was heard.

Dynamic time warping gives every frame to some token, so word times alone hide speech that was skipped: a neighbour is
stretched over it. The attention itself is near 0 there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from speech.transcript import ATTENTION_STEP
from speech.whisper.timing import FRAME
from speech.whisper.words import Span

STEP_FRAMES = round(ATTENTION_STEP / FRAME)


def attention_profile(alignment: NDArray[np.float32], spans: Sequence[Span]) -> tuple[float, ...]:
    """How many tokens' worth of attention each tenth of a second of the window got, of the tokens that are spoken.

    Punctuation looks at the pauses, and at speech that was left out.

    alignment: float32 (heads, tokens + 1, frames), softmax weights; the last row predicted the end of text
    spans: the words of the text
    returns: (ceil(frames / STEP_FRAMES),), tokens; their sum is the number of spoken tokens
    """
    spoken = [row for span in spans for row in range(span.core_first, span.core_stop)]
    weights = alignment[:, spoken].astype(np.float32, copy=False)
    heads, _, frames = weights.shape
    share = weights / (weights.sum(axis=2, keepdims=True) + np.float32(1e-20))
    looked = np.zeros(-(-frames // STEP_FRAMES) * STEP_FRAMES, np.float32)
    looked[:frames] = share.sum(axis=(0, 1)) / heads
    return tuple(round(float(each), 3) for each in looked.reshape(-1, STEP_FRAMES).sum(axis=1))
