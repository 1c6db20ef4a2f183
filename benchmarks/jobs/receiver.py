"""A receiver of webhooks that remembers all that came, and who came at the same time."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.jobs.local_server import SilentHandler, serving

TAKES_SECONDS = 0.2  # so that two at once would be seen


@dataclass(frozen=True)
class HeardWebhook:
    identity: str  # its webhook-id
    job: str
    status: str
    signed: bool  # whether it has a signature; what it is worth the tests of the service look at


@dataclass
class WebhookReceiver:
    port: int = 0
    heard: dict[str, list[HeardWebhook]] = field(default_factory=lambda: defaultdict(list))  # by job
    at_once: list[str] = field(default_factory=list)  # jobs that were told of twice at the same time
    _open: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/heard"

    def take(self, webhook: HeardWebhook) -> None:
        with self._lock:
            if webhook.job in self._open:
                self.at_once.append(webhook.job)
            self._open.add(webhook.job)
        time.sleep(TAKES_SECONDS)
        with self._lock:
            self._open.discard(webhook.job)
            self.heard[webhook.job].append(webhook)


@contextmanager
def receiving() -> Iterator[WebhookReceiver]:
    receiver = WebhookReceiver()

    class ReceivingHandler(SilentHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            job = message["data"]
            signed = bool(self.headers.get("webhook-signature"))
            receiver.take(HeardWebhook(self.headers["webhook-id"], job["id"], job["status"], signed))
            self.send_response(204)
            self.end_headers()

    with serving(ReceivingHandler) as receiver.port:
        yield receiver
