"""Memory of large arrays that is kept for the next step, instead of pages fresh from the system at every step.

A step of training frees at its end what the next one needs again. The malloc of the GNU C library maps arrays of more than
128 KiB at their own address and unmaps them when they are freed, and shrinks the heap as soon as twice that is free at its
end; the next step then waits for the system to clear each page anew, which takes several times as long as computing on it.
Both limits follow the largest mapping that was ever freed, up to 32 MiB (``M_MMAP_THRESHOLD`` in mallopt(3), unless the
environment sets ``MALLOC_MMAP_THRESHOLD_`` or its kin). Freeing one that was never touched, and so never took memory, moves
them there: the gradient of a million float32 numbers through seven operations takes 5.5 ms instead of 21.
"""

import numpy as np

__all__ = ["keep_freed_memory"]

LARGEST = (32 << 20) - (8 << 10)
"""What malloc itself puts around an array has to fit into the 32 MiB, in whole pages."""


def keep_freed_memory() -> None:
    """Have up to 64 MiB that this process has freed stay with it; elsewhere than with glibc it does nothing."""
    np.empty(LARGEST, np.uint8)
