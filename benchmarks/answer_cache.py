"""A server in front of a model's server that keeps its answers, so that code can be measured again without the model.

`python -m benchmarks.answer_cache --upstream http://127.0.0.1:8000 --folder var/answers --port 8001`, and the gateway
with `SUMMARIZER_URL=http://127.0.0.1:8001`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

SLOWEST = 3600.0  # seconds for one answer


class AnswerCache(BaseHTTPRequestHandler):
    upstream = ""
    folder = Path()

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: it stands between two that log themselves."""

    def _answer(self, body: bytes) -> None:
        kept = self.folder / hashlib.sha256(self.path.encode() + body).hexdigest()
        if not kept.is_file():
            status, kind, content = self._ask(body)
            if status != 200:
                self._send(status, kind, content)
                return
            kept.write_text(json.dumps({"type": kind, "body": content.decode()}), encoding="utf-8")
        fields = json.loads(kept.read_text(encoding="utf-8"))
        self._send(200, fields["type"], fields["body"].encode())

    def _ask(self, body: bytes) -> tuple[int, str, bytes]:
        headers = {"Content-Type": "application/json", "Authorization": self.headers.get("Authorization", "")}
        request = Request(f"{self.upstream}{self.path}", body or None, headers, method=self.command)
        try:
            with urlopen(request, timeout=SLOWEST) as answer:
                return answer.status, answer.headers.get("Content-Type", ""), answer.read()
        except HTTPError as error:
            return error.code, error.headers.get("Content-Type", ""), error.read()

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.answer_cache")
    parser.add_argument("--upstream", required=True, help="URL of the model's server")
    parser.add_argument("--folder", type=Path, required=True, help="where answers are kept")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    AnswerCache.upstream, AnswerCache.folder = options.upstream.rstrip("/"), options.folder
    ThreadingHTTPServer(("127.0.0.1", options.port), AnswerCache).serve_forever()


if __name__ == "__main__":
    main()
