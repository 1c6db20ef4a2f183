"""How fast a GPU is, part by part, beside what its data sheet allows: `python -m benchmarks gpu`.

Exports each model where it is not there yet: with published weights, or with random numbers of its true shape. Times
the engine alone at every batch size, in turn with the plain torch model; base also hears real speech.
`--provider cpu` runs the same graphs in ONNX Runtime's CPU provider: a rehearsal, whose figures say nothing of a card.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks import report
from benchmarks.card import Device
from benchmarks.environments import PROJECT, SERVICE_PYTHON
from benchmarks.gpu_passes import Passes, TimeLimit, time_passes
from benchmarks.gpu_service import time_service
from benchmarks.ideal import TOKENS, WINDOW, Card, audio_rate, encode_seconds, find_card, step_seconds
from benchmarks.peers.process import PeerFailed
from benchmarks.recordings import CACHE
from speech.whisper.engine import Dimensions

Figures = dict[str, object]
STDERR = 2  # file descriptor
GOAL = 0.4  # of the ideal rate
PUBLISHED = ("base", "tiny.en")  # weights that a package carries
WEIGHTS = PROJECT / "var" / "weights"
COLUMNS = (
    "batch", "encoder and prompts, ms", "ideal", "a step, ms", "ideal", "s of audio per s", "ideal",
    "share of the ideal", "plain torch: s of audio per s",
)  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    device = _device(options)
    if device is None and options.provider == "gpu":
        print("no NVIDIA GPU here; --provider cpu rehearses on the processor", file=sys.stderr)
        return 1
    card = _card(options, device)
    if card is None:
        print("no ideal rates: the card is unknown; --tflops and --bandwidth say what it can do", file=sys.stderr)
    measured = Measured(options, arguments, [_described(device, card, options)])
    for model in options.models:
        if measured.limit.passed:
            measured.add(report.Table(f"{model}: left out", ("why",), [("no time was left",)]))
            continue
        try:
            _measure(model, card, measured)
        except PeerFailed as error:  # the other sizes are measured all the same
            measured.add(report.Table(f"{model}: broken off", ("why",), [(str(error),)]))
            print(error, file=sys.stderr)
    print(measured.write().read_text())
    return 0


class Measured:
    """What is known so far. It is written after every batch, so that whoever ends the run loses nothing."""

    def __init__(self, options: argparse.Namespace, arguments: Sequence[str], tables: list[report.Table]) -> None:
        self.options = options
        self.limit = TimeLimit(options.limit)
        self._command = report.command("gpu", arguments)
        self._tables = tables
        self._versions: dict[str, str] = {}
        self._data: dict[str, object] = {}

    def add(self, table: report.Table, data: Figures | None = None, versions: dict[str, str] | None = None) -> None:
        self._tables.append(table)
        self._versions |= versions or {}
        self._data |= data or {}
        self.write()

    def write(self, besides: Sequence[report.Table] = (), data: Figures | None = None) -> Path:
        """besides, data: of a model that is being measured"""
        # What a processor did is no figure of a GPU: it goes elsewhere, under another name.
        on_card = self.options.provider == "gpu"
        name, place = ("gpu", report.RESULTS) if on_card else ("gpu-rehearsal", CACHE)
        result = report.Report(
            name, self._command, [*self._tables, *besides], self._versions, self._data | (data or {})
        )
        return report.write(result, self.options.results or place)


def _measure(model: str, card: Card | None, measured: Measured) -> None:
    """raises: PeerFailed"""
    options = measured.options
    folder = _export(model, options, measured.limit)

    def known(passes: Passes) -> None:
        measured.write([_table(model, passes, card, options.tokens)], {model: asdict(passes)})

    passes = time_passes(folder, options, measured.limit, known)
    versions = passes.description["versions"]
    measured.add(_table(model, passes, card, options.tokens), {model: asdict(passes)}, versions)
    if options.service and not measured.limit.passed:
        table, figures = time_service(folder, options)
        measured.add(table, {f"{model} service": figures})
    if model == "base" and not options.without_speech:
        from benchmarks.gpu_speech import hear  # scores, which a machine with a GPU need not be able to

        heard = hear(folder, options)
        measured.add(heard.table, {"speech": heard.data}, heard.versions)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu", description=__doc__)
    parser.add_argument("--models", nargs="+", default=["base", "large-v3-turbo", "large-v3"])
    parser.add_argument("--batches", nargs="+", type=int, default=[64, 1, 8, 2, 4, 16, 32], help="telling ones first")
    parser.add_argument("--tokens", type=int, default=TOKENS, help="of each window of 30 s")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--target", choices=("tensorrt", "tensorrt-rtx", "cuda"), help="default: tensorrt if it is installed"
    )
    parser.add_argument("--provider", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--tflops", type=float, help="of the card: float16, tensor cores, dense")
    parser.add_argument("--bandwidth", type=float, help="of the card's memory, GB/s")
    parser.add_argument("--exports", type=Path, default=CACHE / "gpu", help="folder of the exports")
    own = SERVICE_PYTHON if SERVICE_PYTHON.exists() else Path(sys.executable)
    parser.add_argument("--python", type=Path, default=own, help="of the service, with the GPU's libraries")
    parser.add_argument("--peer-python", type=Path, default=Path(sys.executable), help="with torch and transformers")
    parser.add_argument("--clips", type=int, metavar="N", help="that many short clips instead of all English files")
    parser.add_argument("--without-speech", action="store_true", help="passes alone")
    parser.add_argument("--without-peer", action="store_true", help="without the plain torch model")
    parser.add_argument("--without-parity", action="store_true", help="do not hold random weights against anything")
    parser.add_argument("--service", action="store_true", help="scheduler and words besides, with files and live mixed")
    parser.add_argument("--tokenizer", type=Path, help="of random weights, where none can be fetched")
    parser.add_argument("--limit", type=float, default=0, metavar="SECONDS", help="stop then, with what is known")
    parser.add_argument("--results", type=Path, help="folder of the report")
    return parser


def _device(options: argparse.Namespace) -> Device | None:
    """Asked in the service's environment, which has NVML."""
    asked = "import json, dataclasses as d; from benchmarks.card import find_device as f; x = f(); " \
        "print(json.dumps(x and d.asdict(x)))"  # fmt: skip
    told = json.loads(_run(options.python, "-c", asked).splitlines()[-1])
    return Device(**told) if told and options.provider == "gpu" else None


def _card(options: argparse.Namespace, device: Device | None) -> Card | None:
    if options.tflops and options.bandwidth:
        return Card(options.tflops * 1e12, options.bandwidth * 1e9)
    return find_card(device.name) if device else None


def _export(model: str, options: argparse.Namespace, limit: TimeLimit) -> Path:
    """The model's folder in a repository of its own, so that nothing that serves is touched."""
    target = "cuda" if options.provider == "cpu" else options.target or _best_target(options.python)
    repository: Path = options.exports.resolve() / target
    command = ["-m", "export", "whisper", "--model", model, "--target", target, "--repository", str(repository)]
    if not (model in PUBLISHED or (WEIGHTS / f"{model}.pt").exists()):
        command += ["--source", "random"]
        command += ["--without-parity"] if options.without_parity and target == "cuda" else []
        command += ["--tokenizer", str(options.tokenizer.resolve())] if options.tokenizer else []
    _run(options.python, *command, show=True, seconds=limit.left)
    return repository / f"whisper-{model}"


def _best_target(python: Path) -> str:
    found = _run(python, "-c", "from importlib.util import find_spec; print(bool(find_spec('tensorrt')))")
    return "tensorrt" if found.strip() == "True" else "cuda"


def _run(python: Path, *arguments: str, show: bool = False, seconds: float | None = None) -> str:
    """What it prints, or nothing where that is shown at once: a plan takes minutes.

    raises: PeerFailed
    """
    output, command = STDERR if show else subprocess.PIPE, [str(python), *arguments]
    try:
        ended = subprocess.run(command, cwd=PROJECT, stdout=output, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise PeerFailed(f"`{' '.join(arguments[:5])} …` was not done within the limit") from error
    if ended.returncode:
        raise PeerFailed(f"`{' '.join(arguments[:5])} …` ended with {ended.returncode}; its output says why")
    return ended.stdout or ""


def _table(model: str, passes: Passes, card: Card | None, tokens: int) -> report.Table:
    told, rows = passes.description, []
    sizes = Dimensions(**told["dimensions"])
    for batch, timing in passes.ours.items():
        rate, ideal, peer = batch * WINDOW / timing.total, ("", "", "", ""), ""
        if card:
            best = audio_rate(card, sizes, batch, tokens)
            encoder, step = batch * encode_seconds(card, sizes), step_seconds(card, sizes, batch)
            ideal = (f"{encoder * 1e3:.2f}", f"{step * 1e3:.3f}", f"{best:.0f}", f"{rate / best:.0%}")
        if batch in passes.torch:
            peer = f"{batch * WINDOW / passes.torch[batch].total:.1f}"
        encoded, stepped = f"{timing.encode * 1e3:.2f}", f"{timing.step * 1e3:.3f}"
        rows.append((batch, encoded, ideal[0], stepped, ideal[1], f"{rate:.1f}", *ideal[2:], peer))
    memory = f"{told['memory'] / 1e9:.2f} GB of the card" if told["memory"] else "the card's memory not told"
    note = (
        f"Weights: {told['weights']}. {told['library']}, {told['precision']}, lookahead {told['lookahead']}, "
        f"{told['slots']} slots, {memory}. {tokens} tokens a window; goal: {GOAL:.0%} of the ideal."
    )
    note += f" Plain torch left out: {passes.skipped}." if passes.skipped else ""
    return report.Table(f"{model}: the engine alone", COLUMNS, rows, note)


def _described(device: Device | None, card: Card | None, options: argparse.Namespace) -> report.Table:
    rows: list[tuple[object, ...]] = []
    if device:
        rows = [("name", device.name), ("driver", device.driver), ("memory", f"{device.memory / 1e9:.1f} GB")]
        rows.append(("taken before", f"{device.used / 1e9:.1f} GB"))
    else:
        rows = [("name", "none: a rehearsal on the processor, whose figures say nothing of a GPU")]
    if card:
        rows += [("float16", f"{card.flops / 1e12:g} TFLOP/s"), ("bandwidth", f"{card.bandwidth / 1e9:g} GB/s")]
    note = f"Medians of {options.rounds} rounds. Ideal: 85 % of the data sheet; see benchmarks/ideal.py."
    return report.Table("The card", ("", ""), rows, note)
