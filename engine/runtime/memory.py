"""Memory of the process on CPUs: freed tensors are kept for the next step instead of given back to the system."""

from __future__ import annotations

import ctypes
import sys

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # parameters of glibc's mallopt(3)


def keep_freed_memory() -> bool:
    """Let malloc serve large tensors from memory freed before; returns whether that could be set.

    By default glibc maps each tensor of some size anew and unmaps it when freed, so that each page is
    faulted in and zeroed again, tens of thousands of them in a training step
    (tests/engine/runtime/test_memory.py counts). Kept memory stays the process's until it ends; nothing changes on
    systems without glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(MMAP_MAX, 0)) and bool(mallopt(TRIM_THRESHOLD, -1))
