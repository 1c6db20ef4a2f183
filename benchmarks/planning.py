"""Capacity on paper: `python -m benchmarks planning [--share 0.4 --a100-hour 1.8 …]` prints docs/capacity.md's tables.

Every assumption is an option. Ideal rates are arithmetic over the GPU's data sheet (fp16, 100 tokens in 30 s, batch
64); the share of them that will be reached is a goal, not a measurement. What a gateway costs was measured
(`python -m benchmarks capacity`).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from benchmarks.ideal import (
    ALIGNMENT_HEADS,
    MODELS,
    TOKENS,
    Card,
    audio_rate,
    encode_seconds,
    find_card,
    model_sizes,
    step_seconds,
)
from benchmarks.report import Table
from speech.whisper.gpu.artifacts import CONTEXTS
from speech.whisper.gpu.memory_plan import ModelSize, fitting_slots, footprint

NAMES = {"A100": "NVIDIA A100-SXM4-80GB", "H100": "NVIDIA H100 80GB HBM3"}  # as the driver tells them
BATCH = 64
LIVE_WINDOW = 8.0  # seconds, on average
UPDATE_TOKENS = round(TOKENS * LIVE_WINDOW / 30)
SHORT, _ = CONTEXTS  # frames with which a GPU encodes such a window
KEEPERS = 4  # transactions of a live session beside its minutes: begin, ready, settle, end


def plan_card(name: str) -> Card:
    card = find_card(name)
    assert card is not None
    return card


A100 = plan_card(NAMES["A100"])
PLAN_CARDS = {  # by title
    "A100 80 GB": A100,
    "A100 40 GB": plan_card("NVIDIA A100-SXM4-40GB"),
    "A100, MIG 2g.20gb": plan_card("NVIDIA A100-SXM4-80GB MIG 2g.20gb"),
    "H100": plan_card(NAMES["H100"]),
    "H200": plan_card("NVIDIA H200"),
    "L40S": plan_card("NVIDIA L40S"),
    "L4": plan_card("NVIDIA L4"),
}


def ideal_rates(gpu: str) -> dict[str, float]:
    """Seconds of audio a second, by model. gpu: one of NAMES"""
    card = plan_card(NAMES[gpu])
    return {model: audio_rate(card, model_sizes(model), BATCH) for model in MODELS}


@dataclass(frozen=True, slots=True)
class Assumptions:
    share: float = 0.4  # of the ideal rate: the goal
    busy: float = 0.6  # of a day that a GPU works: the rest waits for callers
    h100_hour: float = 3.0  # price of a GPU with its share of a machine, in your currency
    a100_hour: float = 1.8
    core_hour: float = 0.04
    live: float = 10_000  # sessions at once
    talking: float = 0.7  # of a session in which somebody speaks
    updates: float = 1.2  # decodings for a second of speech
    sent: float = 300.0  # kilobytes to Triton for a second of live speech
    live_core: float = 0.015  # seconds of a gateway's core for a second of live speech
    file_core: float = 0.0017  # for a second of a file
    session_memory: float = 0.25  # megabytes of an open session
    session_minutes: float = 30.0
    store: float = 800.0  # checks a second that one PostgreSQL did on two cores (docs/accounts.md)
    network: float = 25.0  # Gbit/s of a gateway's or a Triton's machine


def files(given: Assumptions) -> Table:
    """What a GPU transcribes of files."""
    columns = ("GPU", "model", "ideal", "planned: hours of audio an hour", "hours a day", "cost of an hour of audio")
    rows = []
    for gpu, price in (("A100", given.a100_hour), ("H100", given.h100_hour)):
        for model, ideal in ideal_rates(gpu).items():
            rate = ideal * given.share
            cost = price / (rate * given.busy) + given.file_core * given.core_hour
            rows.append((gpu, model, f"{ideal:.0f}", f"{rate:.0f}", f"{24 * given.busy * rate:.0f}", f"{cost:.4f}"))
    return Table("Files", columns, rows)


def live_streams(given: Assumptions) -> Table:
    columns = ("GPU", "model", "streams of a GPU", "GPUs for all", "cost of an hour of a stream")
    rows = []
    for gpu, price in (("A100", given.a100_hour), ("H100", given.h100_hour)):
        for model in MODELS:
            streams = streams_of_a_gpu(plan_card(NAMES[gpu]), model, BATCH, given)
            cost = price / streams + given.live_core * given.talking * given.core_hour
            rows.append((gpu, model, f"{streams:.0f}", str(math.ceil(given.live / streams)), f"{cost:.4f}"))
    return Table(f"Live: {given.live:.0f} streams", columns, rows)


def cards(given: Assumptions) -> Table:
    """Live streams, how long an update takes, and memory, of every card that is known to fit."""
    columns = (
        "GPU", "model", "live streams", "an update alone, ms", "with all slots, ms", "slots that fit", "memory, GB",
    )  # fmt: skip
    rows = []
    for title, card in PLAN_CARDS.items():
        for model in MODELS:
            sizes = model_sizes(model)
            needs = footprint(ModelSize(sizes, ALIGNMENT_HEADS[model]))
            fixed = needs.encoded + needs.scratch
            slots = min(BATCH, fitting_slots(round(card.memory * 1e9) - needs.weights, fixed, needs.slot))
            if not slots:
                rows.append((title, model, "", "", "", "none", f"{(needs.weights + fixed + needs.slot) / 1e9:.1f}"))
                continue
            streams = streams_of_a_gpu(card, model, slots, given)
            alone, beside = (f"{update_seconds(card, model, batch) / given.share * 1e3:.0f}" for batch in (1, slots))
            memory = f"{(needs.weights + fixed + slots * needs.slot) / 1e9:.1f}"
            rows.append((title, model, f"{streams:.0f}", alone, beside, str(slots), memory))
    return Table("Cards", columns, rows)


def update_seconds(card: Card, model: str, rows: int) -> float:
    """At best, of a live window that steps along with so many others: its encoder pass and its tokens."""
    sizes = model_sizes(model)
    return encode_seconds(card, sizes, SHORT) + UPDATE_TOKENS * step_seconds(card, sizes, rows, SHORT)


def streams_of_a_gpu(card: Card, model: str, rows: int, given: Assumptions) -> float:
    """rows: live windows that step together, which is what a card is used best with"""
    sizes = model_sizes(model)
    tokens = UPDATE_TOKENS * step_seconds(card, sizes, rows, SHORT) / rows
    return given.share / ((encode_seconds(card, sizes, SHORT) + tokens) * given.updates * given.talking)


def saturation(given: Assumptions) -> Table:
    """What `live` streams need of everything, most pressing first."""
    spoken = given.live * given.talking
    gpus = given.live / streams_of_a_gpu(A100, "large-v3-turbo", BATCH, given)
    gigabits = spoken * given.sent * 8 / 1e6
    transactions = given.live / 60 + given.live * KEEPERS / (60 * given.session_minutes)
    columns = ("what", "needed", "in units of one", "how many")
    rows = [
        ("GPUs, turbo", f"{spoken * given.updates:.0f} windows a second", "A100", f"{gpus:.0f}"),
        ("gateways: processor", f"{spoken * given.live_core:.0f} cores", "machine of 16 cores, 70 % used", _units(
            spoken * given.live_core, 16 * 0.7)),
        ("network to Tritons", f"{gigabits:.1f} Gbit/s", f"{given.network:.0f} Gbit/s, half used", _units(
            gigabits, given.network / 2)),
        ("PostgreSQL", f"{transactions:.0f} transactions a second", f"{given.store:.0f} a second, 2 cores", _units(
            transactions, given.store)),
        ("gateways: memory", f"{given.live * given.session_memory / 1024:.1f} GB", "16 GB", _units(
            given.live * given.session_memory / 1024, 16)),
    ]  # fmt: skip
    return Table("What runs short first", columns, rows)


def _units(needed: float, one: float) -> str:
    return f"{needed / one:.2f}"


def tables(given: Assumptions) -> Iterator[Table]:
    yield Table("Assumptions", ("option", "value"), [(f"--{_option(each.name)}", f"{getattr(given, each.name):g}")
                                                     for each in fields(given)])  # fmt: skip
    yield files(given)
    yield live_streams(given)
    yield cards(given)
    yield saturation(given)


def _option(name: str) -> str:
    return name.replace("_", "-")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks planning", description=__doc__)
    for each in fields(Assumptions):
        parser.add_argument(f"--{_option(each.name)}", type=float, default=each.default)
    given = Assumptions(**vars(parser.parse_args(arguments)))
    print("\n\n".join(table.markdown() for table in tables(given)))
    return 0
