"""The engine on a CPU with AVX2 and nothing newer: kernels of 256 bits.

numba is told to compile for such a CPU.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.older_cpu import haswell
from speech.audio import Pcm
from tests.integration.triton.small_triton import MODEL, REPOSITORY

ROOT = Path(__file__).parents[3]

DECODE = """
import sys
from pathlib import Path
import numpy as np
import tokenizers
from speech.whisper.cpu.int8_kernels import HAS_KERNELS, HAS_VNNI
from speech.whisper.engine import GREEDY
from speech.whisper.cpu.float_kernels import FLOAT_LANES
from speech.whisper.cpu.engine import CpuEngine

folder = Path(sys.argv[1])
samples = np.frombuffer(sys.stdin.buffer.read(), np.int16)
engine = CpuEngine(folder, slots=1, threads=2)
engine.encode([0], [samples], [768])
engine.prefill([0], [engine.manifest.sot_sequence("en")])
tokens = []
while len(tokens) < 60 and engine.manifest.tokens.end_of_text not in tokens:
    tokens.append(int(engine.step([0], [GREEDY]).result().tokens[0]))
engine.close()
print(FLOAT_LANES, HAS_VNNI, HAS_KERNELS)
print(tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")).decode(tokens))
"""


@pytest.mark.skipif(not haswell(), reason="this CPU has no AVX2")
def test_a_cpu_without_avx512_hears_the_same_words(passage: Pcm) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", DECODE, str(REPOSITORY / MODEL / "1")],
        input=passage.tobytes(), capture_output=True, check=False, cwd=ROOT, env=os.environ | haswell(),
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr.decode()
    kind, text = ended.stdout.decode().splitlines()
    assert kind == "8 False True"
    words = re.sub(r"[^a-z ]", "", text.lower().replace("mr.", "mister")).split()
    said = "and mister john dashwood had then leisure to consider how much there might be prudently in his power to do"
    assert words == f"{said} for them".split()
