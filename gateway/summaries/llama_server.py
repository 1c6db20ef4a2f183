"""llama.cpp's own HTTP server as a child process: `python -m gateway.summaries.llama_server --model FILE`.

It is a process of its own so that a crash in native code costs a restart and not the gateway, and so that
its threads can be given a lower priority than transcription. It speaks with its parent over its standard
streams only: it writes `listening URL` once the model is loaded, and it leaves as soon as its standard input
closes, which the kernel does whenever the parent ends, however that happens.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

# Read by the OpenMP runtime when it is loaded, so before xllamacpp is imported: idle threads sleep instead of
# spinning on cores that transcription needs.
os.environ.setdefault("GOMP_SPINCOUNT", "0")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

NICENESS = 10  # of 19: whoever waits for a transcript goes first
PING_SECONDS = 5  # a comment line this often while the prompt is read, so that a broken connection is noticed
PROMPT_CACHE_MIB = 512  # prompts kept for a second style of the same text
RUN_BEFORE = 4  # tokens that have to stand in the prompt
RUN_GUESSED = 12  # tokens that are then guessed
WARNINGS = 2  # llama.cpp's verbosity


def main(arguments: list[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):  # it ends with its parent's wish or with its parent
        signal.signal(number, signal.SIG_IGN)
    parent = _take_standard_output()
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    if not options.model.is_file():
        sys.exit(f"{options.model}: no such model file")

    import xllamacpp

    params = _parameters(xllamacpp.CommonParams(), options)
    # Statements repeat runs of their sentences' words: guessed from the prompt, they are checked several at once.
    params.speculative.types = [xllamacpp.common_speculative_type.COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE]
    params.speculative.ngram_simple.size_n = RUN_BEFORE
    params.speculative.ngram_simple.size_m = RUN_GUESSED
    server = xllamacpp.Server(params)
    with os.fdopen(parent, "w") as report:
        report.write(f"listening {server.listening_address}\n")
    threading.Event().wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gateway.summaries.llama_server")
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--alias", required=True, help="the name under which the model answers")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--slots", type=int, default=2, help="answers at once")
    parser.add_argument("--context", type=int, default=8192, help="tokens per slot")
    return parser


def _parameters(params: Any, options: argparse.Namespace) -> Any:
    params.model.path = str(options.model)
    params.model_alias = [options.alias]
    params.hostnames = ["127.0.0.1"]
    params.port = options.port
    params.n_parallel = options.slots
    params.n_ctx = options.context * options.slots
    params.cpuparams.n_threads = options.threads
    params.cpuparams_batch.n_threads = options.threads
    params.cpuparams.poll = 0  # percent of spinning while a thread waits for the others
    params.cpuparams_batch.poll = 0
    params.cache_ram_mib = PROMPT_CACHE_MIB
    params.sse_ping_interval = PING_SECONDS
    params.ui = False
    params.verbosity = WARNINGS
    # Pages of other sites must not be able to talk to it through somebody's browser.
    params.api_keys = [key for key in (os.environ.get("LLAMA_SERVER_KEY", ""),) if key]
    return params


def _take_standard_output() -> int:
    """A private descriptor to the parent; whatever native code prints goes to standard error from here on."""
    parent = os.dup(1)
    os.dup2(2, 1)
    return parent


def _leave_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
