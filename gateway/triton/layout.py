"""Lays out the wheel's Triton as NVIDIA's image does, for an image without a GPU: `python -m … FOLDER`.

The same command line then starts both: binary, backends and caches are where tritonserver looks for them.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

from gateway.triton.process import TritonWheel, check_libraries, install_backend


def lay_out(folder: Path, wheel: TritonWheel) -> None:
    """Fills folder, /opt/tritonserver in an image; the binary needs folder/lib in LD_LIBRARY_PATH.

    raises: TritonFailed if the Python backend would not start, while the image is built and not when it runs
    """
    stub = install_backend(folder, wheel)
    for name, target in (("bin", wheel.binary.parent), ("caches", wheel.server / "caches"), ("lib", wheel.libraries)):
        (folder / name).symlink_to(target)
    libraries = f"{folder / 'lib'}:{sysconfig.get_config_var('LIBDIR')}"
    check_libraries(stub, {**os.environ, "LD_LIBRARY_PATH": libraries})


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]), TritonWheel.find())
