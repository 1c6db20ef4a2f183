"""How the C library gives memory out: by few arenas, so that what one thread gave back serves the others.

glibc makes up to eight arenas a processor, one for each thread that finds the others in use, and each keeps what was
freed in it. Threads here take turns for Python's lock, so they do not need arenas of their own.
"""

from __future__ import annotations

import ctypes

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # of glibc's malloc.h
ARENAS = 2
LARGE = 256 * 1024  # bytes from which a block is given back to the system when it is freed, however large others were


def limit_arenas() -> bool:
    """To be called before there are threads. False: it is another C library, which is left alone."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return bool(mallopt(M_ARENA_MAX, ARENAS) and mallopt(M_MMAP_THRESHOLD, LARGE))
