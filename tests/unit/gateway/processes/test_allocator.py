import subprocess
import sys

import pytest

COUNT = """
import ctypes, sys, threading
from gateway.processes.allocator import limit_arenas

if sys.argv[1] == "limited":
    assert limit_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
here = threading.Barrier(8)

def allocate():
    here.wait()  # all at once, so that each has an arena if it may
    libc.malloc(ctypes.c_size_t(5000))
    here.wait()

threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc.fopen.restype = ctypes.c_void_p
output = ctypes.c_void_p(libc.fopen(b"/dev/stdout", b"w"))
libc.malloc_info(0, output)
libc.fflush(output)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's own")
@pytest.mark.parametrize(("how", "few"), [("limited", True), ("as it is", False)])
def test_threads_share_few_arenas(how: str, few: bool) -> None:
    told = subprocess.run([sys.executable, "-c", COUNT, how], capture_output=True, text=True, check=True).stdout

    assert (told.count("<heap nr=") <= 2) == few
