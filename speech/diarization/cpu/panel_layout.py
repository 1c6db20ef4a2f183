"""How the diarizer's weights lie in memory: written by the export, read by the compiled loops.

8-bit weights are panels (depth / 4, 32, 4): four consecutive rows of each of 32 columns side by side. They are -64 to
64, so that two products with uint8 fit into the 16 bits in which AVX2 adds them; CPUs with VNNI read the same numbers.
Float weights are panels (depth, 16).
"""

from __future__ import annotations

from typing import Final

PANEL: Final = 32  # columns of 8-bit weights
QUAD: Final = 4  # 8-bit numbers that one 32-bit lane multiplies at once
LARGEST_WEIGHT: Final = 64
FLOAT_PANEL: Final = 16  # columns of float weights
