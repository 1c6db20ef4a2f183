"""Where the service's log entries go, and for whom they are written."""

from __future__ import annotations

import logging
import sys
from typing import Literal

from rich.console import Console
from rich.logging import RichHandler

from gateway.log import JsonFormatter, TextFormatter

LogFormat = Literal["auto", "text", "json"]


def configure_logging(level: str, style: LogFormat = "auto") -> None:
    """Sends every logger of the process to standard error. auto: text on a terminal, JSON elsewhere"""
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    if style == "text" or (style == "auto" and sys.stderr.isatty()):
        handler = _terminal_handler()
        handler.setFormatter(TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("alembic", "grpc", "uvicorn", "uvicorn.error", "python_multipart", "httpx", "httpcore", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _terminal_handler() -> logging.Handler:
    console = Console(stderr=True)
    return RichHandler(console=console, show_path=False, omit_repeated_times=False, log_time_format="%H:%M:%S")
