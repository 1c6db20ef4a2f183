"""The steps of set-up in their order: `python3 -m setup service|page|plot|mcp|development|benchmarks`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from setup.engines import build_engines, fetch_summarizer, finish_summarizer
from setup.environment import Environment
from setup.interruption import INTERRUPTION, Terminated
from setup.machine import Machine, describe, this_machine
from setup.page import Page, begin_page, finish_page
from setup.programs import Background, Log
from setup.requirements import Needs, address, examine
from setup.steps import SHOWN_LINES, Step, StepFailed, Steps

CHECKOUT = Path(__file__).resolve().parents[1]
PROJECT = CHECKOUT / "pyproject.toml"
SERVICE, PLOT, MCP, DEVELOPMENT, BENCHMARKS = (
    CHECKOUT / "requirements" / f"{name}.txt" for name in ("service", "plot", "mcp", "development", "benchmarks")
)
SERVICE_PACKAGES = f"packages ({SERVICE.stem})"
LOGS = CHECKOUT / "var" / "log"
SHOWN_SIZES = (".venv", "var/weights", "model_repository")

# Of a first time, on two cores that are free and a line of 100 Mbit/s.
MINUTES, FETCHED_GB, KEPT_GB = 2, 0.7, 1.3
SUMMARIZER_MINUTES, SUMMARIZER_GB = 1, 1.1

STOPPED = "Stopped. The same command goes on where this one was."
EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

Task = tuple[str, Callable[[Step], None]]  # title, and what does it


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    INTERRUPTION.watch()
    log = Log(LOGS / f"setup-{options.what}.log")
    try:
        _COMMANDS[options.what](options, log)
    except StepFailed as failure:
        print(_explain(failure, log), file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print(f"\n{STOPPED}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except Terminated:
        with suppress(OSError):  # the terminal may be gone
            print(f"\n{STOPPED}", file=sys.stderr)
        return EXIT_TERMINATED
    return 0


def _service(options: argparse.Namespace, log: Log) -> None:
    """Everything that `make serve` needs."""
    environment = Environment(CHECKOUT / ".venv")
    summarizer = summarizes_here(os.environ)
    new = not environment.is_made()
    packages = _packages(environment, SERVICE)
    listens = address(os.environ) if options.serve else None
    machine = _examine(Needs(summarizer, installed=not packages, address=listens))
    unbuilt = not Page(CHECKOUT).is_built()
    steps = Steps(len(packages) + (2 if packages else 1), log)
    with Background() as background, Background() as bundling:

        def install(step: Step) -> None:
            environment.install_installers(SERVICE, step)
            if summarizer:
                fetch_summarizer(background, environment, steps, CHECKOUT)
            _install(environment, SERVICE, step)

        def build(step: Step) -> None:
            if unbuilt:
                begin_page(bundling, steps, CHECKOUT)
            build_engines(environment, step, steps.say, summarizer=summarizer and not background.started)
            finish_summarizer(background, step, steps)
            finish_page(bundling, step, steps)

        left: list[Task] = [("weights and engines", build)]
        if not packages:
            _perform(steps, left)
            return
        if new:
            steps.say(_announcement(summarizer, log))
        began = time.monotonic()
        preparing = [(title, install if title == SERVICE_PACKAGES else work) for title, work in packages]
        _perform(steps, [("machine", lambda step: _tell(step, machine)), *preparing, *left])
        steps.say(f"Set up in {time.monotonic() - began:.0f} s. On disk: {_sizes()}.")


def _sizes() -> str:
    return ", ".join(f"{place} {size_of(CHECKOUT / place) / 1e9:.1f} GB" for place in SHOWN_SIZES)


def _page(_options: argparse.Namespace, log: Log) -> None:
    """The web page, built again."""
    environment = Environment(CHECKOUT / ".venv")
    if tasks := _packages(environment, SERVICE):
        _examine(Needs(summarizer=False))
    tasks.append(("web page", partial(Page(CHECKOUT).build, environment)))
    _perform(Steps(len(tasks), log), tasks)


def _plot(_options: argparse.Namespace, log: Log) -> None:
    """What `stt transcribe --plot` needs besides."""
    _add(PLOT, log)


def _mcp(_options: argparse.Namespace, log: Log) -> None:
    """What `stt mcp` needs besides."""
    _add(MCP, log)


def _add(lock: Path, log: Log) -> None:
    if tasks := _packages(Environment(CHECKOUT / ".venv"), lock):
        _perform(Steps(len(tasks), log), tasks)


def _development(_options: argparse.Namespace, log: Log) -> None:
    """What the tests and linters need besides; nothing is said where it is there."""
    environment = Environment(CHECKOUT / ".venv")
    tasks = _packages(environment, SERVICE, DEVELOPMENT)
    if tasks:
        _examine(Needs(summarizer=False, installed=environment.is_made()))
        _perform(Steps(len(tasks), log), tasks)


def _benchmarks(_options: argparse.Namespace, log: Log) -> None:
    """The environment that scores, with the peers and their weights."""
    environment = Environment(CHECKOUT / ".venv-benchmarks")
    _examine(Needs(summarizer=False))
    tasks = _packages(environment, BENCHMARKS)
    command = [str(environment.python), "-m", "benchmarks.peers.weights"]
    tasks.append(("weights of the peers", lambda step: step.run(command)))
    _perform(Steps(len(tasks), log), tasks)


_COMMANDS = {
    "service": _service,
    "page": _page,
    "plot": _plot,
    "mcp": _mcp,
    "development": _development,
    "benchmarks": _benchmarks,
}


def _packages(environment: Environment, *locks: Path) -> list[Task]:
    """What is to be done until the environment has the packages of these locks."""
    made = environment.is_made()
    tasks: list[Task] = [] if made else [("environment", environment.make)]
    for lock in locks:
        if not made or not environment.has(lock, PROJECT):
            tasks.append((f"packages ({lock.stem})", partial(_install, environment, lock)))
    return tasks


def _install(environment: Environment, lock: Path, step: Step) -> None:
    environment.install(lock, step, PROJECT)
    if lock == SERVICE:
        environment.pip(step, "--no-deps", "--no-build-isolation", "--editable", str(CHECKOUT))


def _perform(steps: Steps, tasks: Sequence[Task]) -> None:
    for title, work in tasks:
        with steps.step(title) as step:
            work(step)


def _examine(needs: Needs) -> Machine:
    """raises: StepFailed with everything that is missing"""
    machine = this_machine(CHECKOUT)
    findings = examine(machine, needs)
    for doubt in findings.doubts:
        print(f"warning: {doubt}", file=sys.stderr)
    if findings.missing:
        raise StepFailed("\n".join(findings.missing))
    return machine


def _tell(step: Step, machine: Machine) -> None:
    step.result = describe(machine)


def _announcement(summarizer: bool, log: Log) -> str:
    minutes = MINUTES + SUMMARIZER_MINUTES * summarizer
    fetched = FETCHED_GB + SUMMARIZER_GB * summarizer
    kept = KEPT_GB + SUMMARIZER_GB * summarizer
    without = " `SUMMARIZER=off make serve` leaves 1.1 GB of that out." if summarizer else ""
    return (
        f"The first time takes about {minutes} minutes, fetches {fetched:.1f} GB and keeps {kept:.1f} GB on disk."
        f"{without}\nWhat the programs say goes to {log.path.relative_to(CHECKOUT)}."
    )


def _explain(failure: StepFailed, log: Log) -> str:
    tail = log.tail(SHOWN_LINES)
    if not tail:
        return str(failure)
    end = "\n".join(f"  | {line}" for line in tail)
    return f"{end}\n{failure}\nThe whole log: {log.path.relative_to(CHECKOUT)}. The same command goes on from here."


def summarizes_here(environment: Mapping[str, str]) -> bool:
    """Whether a language model is run on this machine: by the names of the service's settings."""
    off = "off" in (environment.get("SUMMARIZER"), environment.get("STT_SUMMARIZER_MODE"))
    return not off and not environment.get("SUMMARIZER_URL") and not environment.get("STT_SUMMARIZER_URL")


def size_of(folder: Path) -> int:
    """Bytes of all files below it."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m setup", description=__doc__)
    parser.add_argument("what", choices=list(_COMMANDS))
    parser.add_argument("--serve", action="store_true", help="the service will be started next: its port must be free")
    return parser
