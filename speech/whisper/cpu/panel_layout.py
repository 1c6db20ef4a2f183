"""How weights lie in memory for the CPU's kernels: written by the export, read by the compiled loops.

A panel is 64 columns of a dense layer's int8 matrix. For products in float32 it is stored row by row, (depth, 64);
for 8-bit dot products four consecutive rows of each column lie side by side, (depth / 4, 64, 4). Another layout
needs another export, so this module has no dependencies that either side would have to load.
"""

from __future__ import annotations

from typing import Final

PANEL: Final = 64  # columns
QUAD: Final = 4  # 8-bit numbers that one 32-bit lane multiplies at once
LANES: Final = 16  # 32-bit numbers in a register of 512 bits: what vectorised loops read at once
