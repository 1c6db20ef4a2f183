"""Word errors of what another machine heard: `python -m benchmarks score texts.json`, of benchmarks.device.speech."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.scoring import count_errors, word_error_rate


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks score", description=__doc__)
    parser.add_argument("texts", type=Path)
    clips = json.loads(parser.parse_args(arguments).texts.read_text(encoding="utf-8"))
    errors = [count_errors(clip["reference"], clip["heard"]) for clip in clips]
    rows = [(clip["file"], each.edits, each.words, clip["heard"]) for clip, each in zip(clips, errors, strict=True)]
    audio, seconds = (sum(clip[name] for clip in clips) for name in ("audio", "seconds"))
    note = f"WER {word_error_rate(errors)}; {audio:.0f} s of audio in {seconds:.1f} s, one after the other."
    print(report.Table("Heard", ("file", "errors", "words", "heard"), rows, note).markdown())
    return 0
