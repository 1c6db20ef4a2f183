"""Lays the wheel's Triton out as NVIDIA's image has it, for an image without a GPU: `python -m … FOLDER`.

The same command line then starts either: binary, backends and caches lie where tritonserver looks for them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gateway.inference.triton_process import Wheel, install_backend


def lay_out(folder: Path, wheel: Wheel) -> None:
    """Fills folder, /opt/tritonserver in an image; the binary needs folder/lib in LD_LIBRARY_PATH."""
    install_backend(folder, wheel)
    for name, target in (("bin", wheel.binary.parent), ("caches", wheel.server / "caches"), ("lib", wheel.libraries)):
        (folder / name).symlink_to(target)


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]), Wheel.find())
