"""`stt mcp`: serves the tools over standard input and output, to the program that started it."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import sys
from importlib.util import find_spec

from gateway.cli.client import connect
from gateway.cli.errors import WrongUse
from gateway.cli.mcp.allowed_folders import AllowedFolders
from gateway.cli.service_address import ServiceAddress, find_service
from gateway.settings import Settings
from speech.installation import checkout

REQUIRED = ("mcp", "snowballstemmer", "stopwordsiso")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """raises: WrongUse"""
    check_installed()
    folders = AllowedFolders.of(options.root)
    if sys.stdin.isatty():
        print("stt: an MCP client starts this command and talks to it here; Ctrl-C ends it", file=sys.stderr)
    asyncio.run(_serve(find_service(options.url, settings), folders))
    return 0


def check_installed() -> None:
    """raises: WrongUse"""
    if all(find_spec(name) for name in REQUIRED):
        return
    root = checkout()
    bring = f"make -C {shlex.quote(str(root))} mcp" if root else f"python -m pip install {' '.join(REQUIRED)}"
    raise WrongUse(f"`stt mcp` needs packages that are not installed; `{bring}` brings them (25 MB)")


async def _serve(address: ServiceAddress, folders: AllowedFolders) -> None:
    from gateway.cli.mcp.server import build_server  # needs the packages

    async with connect(address) as client:
        await build_server(client, folders).run_stdio_async()
