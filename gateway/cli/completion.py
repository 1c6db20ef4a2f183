"""`stt completion bash|zsh`: a script for the shell, made of the grammar."""

from __future__ import annotations

import argparse

import shtab

from gateway.cli.parser import build_parser
from gateway.cli.terminal import print_result
from gateway.settings import Settings

FILES = ("FILE", "PATH", "PICTURE")  # metavars of arguments that are files


def run(options: argparse.Namespace, _: Settings) -> int:
    parser = build_parser()
    _complete_files(parser)
    print_result(shtab.complete(parser, options.shell))
    return 0


def _complete_files(parser: argparse.ArgumentParser) -> None:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete_files(command)
        elif action.metavar in FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
