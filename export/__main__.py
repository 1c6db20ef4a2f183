"""Weights in, engines out: `python -m export setup` for the embedded default, or one network at a time."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from export.diarizer import export_diarizer, export_pyannote, is_current
from export.download import InvalidDownload
from export.kernels import KernelCompiler
from export.memory import CARDS, memory_table
from export.parity import ParityError
from export.plan_store import InvalidPlans, open_plan_store
from export.progress import reports
from export.quantization import FORMATS
from export.recordings import InvalidRecordings
from export.rtx import RtxCompiler
from export.sources import MODELS, RANDOM_SOURCE, default_source
from export.summarizer import DEFAULT_SUMMARIZER, SUMMARIZERS, fetch_summarizer
from export.targets import CPU, CUDA, TARGETS, UNCHECKED_CUDA, Target, cpu_target, plans_target
from export.tensorrt import CardCompiler, CompileError, PlanCompiler
from export.tokenizer import InvalidTokenizer
from export.weights import InvalidWeights
from export.whisper import ExportRequest, export_whisper
from speech.installation import model_repository, weights_folder

EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
ERRORS = (
    InvalidDownload, InvalidWeights, InvalidTokenizer, InvalidRecordings, CompileError, ParityError, InvalidPlans,
)  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # temporary folders are removed on the way out
    try:
        options.run(options)
    except ERRORS as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on where this one was.", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def _setup(options: argparse.Namespace) -> None:
    """Everything that the embedded service runs on; what is up to date is left alone."""
    reports.events = options.events
    compiler = KernelCompiler("diarizer")
    compiling = nullcontext() if is_current(options.repository) and not options.force else compiler.running()
    # Fetching waits for the network, exporting for the processor.
    with ThreadPoolExecutor(1) as beside, compiling:
        fetching = beside.submit(_summarizer, options) if options.summarizer else None
        target = cpu_target(KernelCompiler())
        export_whisper(
            ExportRequest("base", default_source("base"), options.data, options.repository, options.force, target)
        )
        compiler.wait()
        export_diarizer(options.repository, options.data, force=options.force)
        if fetching:
            _report(fetching)


def _report(fetching: Future[None]) -> None:
    """Without the summarizer's model everything else works, and summaries answer 503."""
    try:
        fetching.result()
    except InvalidDownload as error:
        reports.warned("no summaries until `python -m export summarizer` succeeds", str(error))


def _whisper(options: argparse.Namespace) -> None:
    source = options.source or default_source(options.model)
    target = _target(options)
    plans = open_plan_store(options.plans) if options.plans else None
    request = ExportRequest(options.model, source, options.data, options.repository, options.force, target)
    export_whisper(replace(request, tokenizer=options.tokenizer, plans=plans, building=not options.without_building))


def _target(options: argparse.Namespace) -> Target:
    compilers: dict[str, Callable[[], PlanCompiler]] = {
        "tensorrt": lambda: CardCompiler(options.data),
        "tensorrt-rtx": lambda: RtxCompiler(options.compute_capability),
    }
    if options.compute_capability and options.target != "tensorrt-rtx":
        raise CompileError(
            "--compute-capability is for --target tensorrt-rtx: others compile for the card here, or none"
        )
    if options.target in compilers:
        return plans_target(options.target, options.precision, options.recordings, compilers[options.target])
    if options.precision != "float16":
        raise CompileError(f"--precision {options.precision} is for --target tensorrt or tensorrt-rtx")
    if options.without_parity:
        if (options.target, options.source) != (CUDA.name, RANDOM_SOURCE):
            raise ParityError("--without-parity is for --target cuda --source random: what is served is checked")
        return UNCHECKED_CUDA
    return CUDA if options.target == CUDA.name else cpu_target(KernelCompiler())


def _canonical_target(name: str) -> str:
    """onnx was the name of cpu: it stays accepted."""
    return CPU.name if name == "onnx" else name


def _diarizer(options: argparse.Namespace) -> None:
    export_diarizer(options.repository, options.data, force=options.force)
    if options.pyannote is not None:
        export_pyannote(options.pyannote, options.repository, options.data)


def _summarizer(options: argparse.Namespace) -> None:
    path = fetch_summarizer(SUMMARIZERS[options.summarizer], options.data / "summarizer")
    print(f"summarizer: {path}", flush=True)


def _memory(options: argparse.Namespace) -> None:
    print(memory_table(options.gb))


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--data", type=Path, default=weights_folder(), help="downloads are kept here")
    shared.add_argument("--repository", type=Path, default=model_repository(), help="Triton's models")
    shared.add_argument("--force", action="store_true", help="export again what is up to date")
    parser = argparse.ArgumentParser(prog="python -m export", description=__doc__)
    networks = parser.add_subparsers(dest="network", required=True)
    setup = networks.add_parser("setup", parents=[shared], help="everything that the embedded service runs on")
    setup.add_argument(
        "--no-summarizer", dest="summarizer", action="store_const", const="", default=DEFAULT_SUMMARIZER,
        help="without its model: summaries are off, or made by another server",
    )  # fmt: skip
    setup.add_argument("--events", action="store_true", help="report progress as JSON, one object a line")
    setup.set_defaults(run=_setup)
    whisper = networks.add_parser("whisper", parents=[shared], help="one size of Whisper")
    whisper.add_argument("--model", choices=MODELS, default="base", help="id as in the API")
    whisper.add_argument(
        "--target", choices=TARGETS, type=_canonical_target, default=CPU.name, help="runtime that will serve it"
    )
    whisper.add_argument("--compute-capability", metavar="8.0", help="of the card that tensorrt-rtx compiles for")
    whisper.add_argument("--precision", choices=["float16", *FORMATS], default="float16", help="TensorRT's encoder")
    whisper.add_argument("--recordings", type=Path, help="folder of speech that int8 and float8 are calibrated on")
    whisper.add_argument(
        "--source",
        help="package, openai, random (noise, for timing), or the path of a folder or a .pt file",
    )
    whisper.add_argument("--tokenizer", type=Path, help="of random weights, where none can be fetched")
    whisper.add_argument(
        "--without-parity", action="store_true", help="do not compare random weights with the reference"
    )
    whisper.add_argument(
        "--plans", metavar="FOLDER|URL", help="take what was made before from here, put there what is made"
    )
    whisper.add_argument(
        "--without-building",
        action="store_true",
        help="TensorRT's plans from --plans alone, else the graphs for `cuda`",
    )
    whisper.set_defaults(run=_whisper)
    diarizer = networks.add_parser("diarizer", parents=[shared], help="who speaks when: segmentation and voices")
    diarizer.add_argument("--pyannote", type=Path, help="folder for pyannote.audio's own pipeline, the alternative")
    diarizer.set_defaults(run=_diarizer)
    summarizer = networks.add_parser("summarizer", parents=[shared], help="the embedded summarizer's model file")
    summarizer.add_argument("--model", dest="summarizer", choices=list(SUMMARIZERS), default=DEFAULT_SUMMARIZER)
    summarizer.set_defaults(run=_summarizer)
    memory = networks.add_parser("memory", help="how many slots of each size of Whisper a GPU holds")
    memory.add_argument("gb", nargs="*", type=int, default=list(CARDS), help="memory of GPUs, in GB")
    memory.set_defaults(run=_memory)
    return parser


if __name__ == "__main__":
    sys.exit(main())
