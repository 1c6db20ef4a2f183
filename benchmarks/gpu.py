"""How fast a GPU is, part by part, beside what its data sheet allows: `python -m benchmarks gpu`.

Exports each model where it is not there yet: with published weights, or with random numbers of its true shape. Times
the engine alone at every batch size, in turn with the plain torch model; base also hears real speech.
`--provider cpu` runs the same graphs in ONNX Runtime's CPU provider: a rehearsal, whose figures say nothing of a card.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.card import Device
from benchmarks.environments import PROJECT, SERVICE_PYTHON
from benchmarks.ideal import TOKENS, WINDOW, Card, audio_rate, encode_seconds, find_card, step_seconds
from benchmarks.peers.process import PeerFailed
from benchmarks.peers.timed import Timer, Timing
from benchmarks.recordings import CACHE
from speech.whisper.engine import Dimensions

STDERR = 2  # file descriptor
GOAL = 0.4  # of the ideal rate
PUBLISHED = ("base", "tiny.en")  # weights that a package carries
WEIGHTS = PROJECT / "var" / "weights"
COLUMNS = (
    "batch", "encoder and prompts, ms", "ideal", "a step, ms", "ideal", "s of audio per s", "ideal",
    "share of the ideal", "plain torch: s of audio per s",
)  # fmt: skip


@dataclass(frozen=True)
class Passes:
    """One model's timings at each batch size, the medians of all rounds."""

    description: dict[str, Any]  # by the process that ran them
    ours: dict[int, Timing]
    torch: dict[int, Timing]
    skipped: str = ""  # why torch has none, or not all


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    device = _device(options)
    if device is None and options.provider == "gpu":
        print("no NVIDIA GPU here; --provider cpu rehearses on the processor", file=sys.stderr)
        return 1
    card = _card(options, device)
    if card is None:
        print("no ideal rates: the card is unknown; --tflops and --bandwidth say what it can do", file=sys.stderr)
    tables, versions, data = [_described(device, card, options)], dict[str, str](), dict[str, object]()
    for model in options.models:
        try:
            folder = _export(model, options)
            passes = _time(folder, options)
            versions |= passes.description["versions"]
            data[model] = asdict(passes)
            tables.append(_table(model, passes, card, options.tokens))
            if model == "base" and not options.without_speech:
                from benchmarks.gpu_speech import hear  # scores, which a machine with a GPU need not be able to

                heard = hear(folder, options)
                versions |= heard.versions
                data["speech"] = heard.data
                tables.append(heard.table)
        except PeerFailed as error:  # the other sizes are measured all the same
            tables.append(report.Table(f"{model}: broken off", ("why",), [(str(error),)]))
            print(error, file=sys.stderr)
    # What a processor did is no figure of a GPU: it goes elsewhere, under another name.
    name, place = ("gpu", report.RESULTS) if options.provider == "gpu" else ("gpu-rehearsal", CACHE)
    result = report.Report(name, report.command("gpu", arguments), tables, versions, data)
    print(report.write(result, options.results or place).read_text())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu", description=__doc__)
    parser.add_argument("--models", nargs="+", default=["base", "large-v3-turbo", "large-v3"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--tokens", type=int, default=TOKENS, help="of each window of 30 s")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--target", choices=("tensorrt", "cuda"), help="default: tensorrt if it is installed")
    parser.add_argument("--provider", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--tflops", type=float, help="of the card: float16, tensor cores, dense")
    parser.add_argument("--bandwidth", type=float, help="of the card's memory, GB/s")
    parser.add_argument("--exports", type=Path, default=CACHE / "gpu", help="folder of the exports")
    parser.add_argument("--python", type=Path, default=SERVICE_PYTHON, help="of the service, with the GPU's libraries")
    parser.add_argument("--peer-python", type=Path, default=Path(sys.executable), help="with torch and transformers")
    parser.add_argument("--clips", type=int, metavar="N", help="that many short clips instead of all English files")
    parser.add_argument("--without-speech", action="store_true", help="passes alone")
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


def _export(model: str, options: argparse.Namespace) -> Path:
    """The model's folder in a repository of its own, so that nothing that serves is touched."""
    target = "cuda" if options.provider == "cpu" else options.target or _best_target(options.python)
    repository: Path = options.exports.resolve() / target
    source = [] if model in PUBLISHED or (WEIGHTS / f"{model}.pt").exists() else ["--source", "random"]
    command = ["-m", "export", "whisper", "--model", model, "--target", target, "--repository", str(repository)]
    _run(options.python, *command, *source, show=True)
    return repository / f"whisper-{model}"


def _best_target(python: Path) -> str:
    found = _run(python, "-c", "from importlib.util import find_spec; print(bool(find_spec('tensorrt')))")
    return "tensorrt" if found.strip() == "True" else "cuda"


def _run(python: Path, *arguments: str, show: bool = False) -> str:
    """What it prints, or nothing where that is shown at once: a plan takes minutes.

    raises: PeerFailed
    """
    output = STDERR if show else subprocess.PIPE
    ended = subprocess.run([str(python), *arguments], cwd=PROJECT, stdout=output, text=True, check=False)
    if ended.returncode:
        raise PeerFailed(f"`{' '.join(arguments[:5])} …` ended with {ended.returncode}; its output says why")
    return ended.stdout or ""


def _time(folder: Path, options: argparse.Namespace) -> Passes:
    """Both in turn, batch by batch, round by round."""
    with ExitStack() as stack:
        wanted = ["--provider", options.provider, "--slots", max(options.batches)]
        ours = stack.enter_context(Timer("this engine", "graphs", [folder / "1", *wanted], options.python))
        torch, skipped = None, ""
        try:
            device = "cpu" if options.provider == "cpu" else "cuda"
            sizes = json.dumps(ours.description["dimensions"])
            torch = stack.enter_context(
                Timer("plain torch", "torch_whisper", [sizes, "--device", device], options.peer_python)
            )
        except PeerFailed as error:
            skipped = str(error)
        batches = [batch for batch in options.batches if batch <= ours.description["slots"]]
        timings = _rounds([ours, *([torch] if torch else [])], batches, options)
        described = dict(ours.description)
        if torch:
            described["versions"] |= torch.description["versions"]
            skipped = "" if set(timings[torch.title]) == set(batches) else "it failed at the largest batches"
        return Passes(described, timings[ours.title], timings[torch.title] if torch else {}, skipped)


def _rounds(timers: list[Timer], batches: list[int], options: argparse.Namespace) -> dict[str, dict[int, Timing]]:
    measured: dict[str, dict[int, list[Timing]]] = {timer.title: {} for timer in timers}
    failed: set[tuple[str, int]] = set()
    for number in range(options.rounds + 1):  # the first warms up
        for batch, timer in _turns(timers, batches, number):
            if (timer.title, batch) in failed:
                continue
            try:
                timing = timer.measure(batch, options.tokens if number else 2)
            except PeerFailed as error:  # a batch that is too large for the card's memory
                if timer is timers[0]:
                    raise
                print(error, file=sys.stderr)
                failed.add((timer.title, batch))
                continue
            if number:
                measured[timer.title].setdefault(batch, []).append(timing)
                print(f"{timer.title}, batch {batch}: {batch * WINDOW / timing.total:.1f}", file=sys.stderr, flush=True)
    return {title: {batch: _median(each) for batch, each in of.items()} for title, of in measured.items()}


def _turns(timers: list[Timer], batches: list[int], number: int) -> Iterator[tuple[int, Timer]]:
    for batch in batches:
        for timer in timers if number % 2 else reversed(timers):
            yield batch, timer


def _median(timings: list[Timing]) -> Timing:
    parts = zip(*((each.encode, each.step, each.total) for each in timings), strict=True)
    return Timing(*(statistics.median(part) for part in parts))


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
