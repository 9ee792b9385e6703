"""Peak memory of one side of a benchmark, and the comparison of both, in processes of their own.

The process that measures memory is forked from a server that has imported everything and computed nothing. It does
the side once at the small size (what libraries allocate once does not count), makes the inputs, gives freed memory back
to the system, resets the kernel's high-water mark of resident memory and does the side at full size. The result is that
mark less the resident memory before it: inputs and weights are not in it, all that the work holds at its worst is.

``ru_maxrss`` would not do on Linux: a child inherits its parent's through fork and exec, and it never falls. It
is used on other systems, where the mark cannot be reset.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import resource
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

from benchmarks.case import Difference, compare
from contracts.errors import UserError

Result = TypeVar("Result")

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_HIGH_WATER = "5"  # see proc(5)
MIB = 2**20


def peak_of(name: str, side: str, small: bool) -> float:
    """MiB that one side of a benchmark needs beyond its inputs.

    Args:
        name: of the benchmark.
        side: one of ``case.SIDES``.
        small: at small sizes.

    Raises:
        UserError: if its process dies.
    """
    return in_own_process(_peak, name, side, small)


def difference_of(name: str, small: bool) -> Difference:
    """How far both sides' outputs are apart, from a process that gives the memory back.

    Args:
        name: of the benchmark.
        small: at small sizes.

    Raises:
        UserError: if the process dies.
    """
    return in_own_process(_difference, name, small)


def in_own_process(work: Callable[..., Result], name: str, *arguments: object) -> Result:
    """Do work in a process forked from a server that has imported the benchmarks.

    Args:
        work: called with ``name`` and ``arguments``.
        name: of the benchmark.
        arguments: further arguments.

    Raises:
        UserError: if the process dies.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.registry"])
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_send, args=(sender, work, name, *arguments))
    child.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        child.join()
        raise UserError(
            f"benchmark {name}: its process ended with code {child.exitcode} (-9: out of memory); "
            "leave this benchmark out with --only"
        ) from None
    finally:
        child.join()
        receiver.close()


def _send(sender: Connection, work: Callable[..., object], *arguments: object) -> None:
    sender.send(work(*arguments))


def _peak(name: str, side: str, small: bool) -> float:
    from benchmarks.registry import BENCHMARKS

    if not small:
        BENCHMARKS[name](True).run(side)
    case = BENCHMARKS[name](small)
    return peak_while(lambda: case.run(side)) / MIB


def _difference(name: str, small: bool) -> Difference:
    from benchmarks.registry import BENCHMARKS

    return compare(BENCHMARKS[name](small))


def peak_while(work: Callable[[], object]) -> float:
    """Bytes by which this process's resident memory rises above its present size while ``work()`` runs."""
    _give_back()
    if not RESET.exists():
        highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        work()
        unit = 1 if sys.platform == "darwin" else 1024
        return unit * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - highest)
    RESET.write_text(RESET_HIGH_WATER, encoding="ascii")
    before = _status("VmRSS")
    result = work()
    peak = _status("VmHWM") - before
    del result  # held until here: outputs count
    return max(0.0, peak)


def _give_back() -> None:
    """Return freed memory to the system, where the C library can: else the work would use it unseen."""
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _status(key: str) -> float:
    """Bytes of an entry of /proc/self/status such as ``VmRSS:  1234 kB``."""
    lines = STATUS.read_text(encoding="ascii").splitlines()
    return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith(key + ":"))
