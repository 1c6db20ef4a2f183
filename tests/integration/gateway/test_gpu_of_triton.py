"""The GPU of Tritons on other machines, from metrics that a real HTTP server tells."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gateway.health import GpuFinder
from gateway.settings import TritonSettings
from gateway.triton.fleet import Fleet, watched
from speech.gpu import Gpu, find_gpu

TRITONS = """# HELP nv_gpu_memory_total_bytes GPU total memory, in bytes
# TYPE nv_gpu_memory_total_bytes gauge
nv_gpu_memory_total_bytes{gpu_uuid="GPU-27c6b7a5"} 85899345920
"""
OURS = """# HELP whisper_gpu_memory_bytes Bytes of memory of the GPU, with its name
# TYPE whisper_gpu_memory_bytes gauge
whisper_gpu_memory_bytes{gpu="NVIDIA A100-SXM4-80GB MIG 2g.20gb",model="whisper-base",version="1"} 21474836480.000000
"""
NONE = """nv_cpu_utilization 0.05
nv_inference_count{model="whisper-base",version="1"} 7
"""

pytestmark = pytest.mark.skipif(find_gpu() is not None, reason="a GPU of this machine is told first")


class Metrics(BaseHTTPRequestHandler):
    text = ""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/metrics" else 404)
        self.end_headers()
        self.wfile.write(self.text.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Metrics) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize(
    ("text", "gpu"),
    [
        (TRITONS, Gpu(None, 80 * 2**30)),
        (TRITONS + OURS, Gpu("NVIDIA A100-SXM4-80GB MIG 2g.20gb", 20 * 2**30)),
        (NONE, None),
    ],
    ids=["memory alone", "name and memory", "no GPU"],
)
async def test_metrics_tell_the_gpu(port: int, monkeypatch: pytest.MonkeyPatch, text: str, gpu: Gpu | None) -> None:
    monkeypatch.setattr(Metrics, "text", text)
    async with watched(Fleet(["127.0.0.1:9"], [], TritonSettings())) as fleet:
        assert await GpuFinder(fleet, port).find() == gpu


@pytest.mark.parametrize("port", [0, 9], ids=["not to be asked", "nobody listens"])
async def test_a_triton_that_tells_nothing_has_no_gpu(port: int) -> None:
    async with watched(Fleet(["127.0.0.1:9"], [], TritonSettings())) as fleet:
        assert await GpuFinder(fleet, port).find() is None
