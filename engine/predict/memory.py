"""Whether a photograph fits into the memory: told before it is read, as a system that runs out ends the whole batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from contracts.errors import UserError
from engine.predict.plan import Job

NEEDED = 0.02  # GB for each megapixel that is segmented: a little less than was measured
TO_MEASURE = 0.03  # GB more, where a crack runs through all of it
SYSTEM = Path("/proc/meminfo")
CONTAINER = Path("/sys/fs/cgroup")  # of version 2


def refuse_too_large(job: Job, scale: int, measures: bool = False) -> None:
    """Refuse a photograph that cannot be done here.

    Args:
        job: planned.
        scale: of the model.
        measures: whether its cracks are measured.

    Raises:
        UserError: where it needs more memory than there is, as far as the system tells.
    """
    needed = (NEEDED + measures * TO_MEASURE) * job.megapixels * (scale**2 if job.restore else 1)
    free = free_gigabytes()
    if free is not None and needed > free:
        height, width = job.size
        ways = "cut it into parts" if not job.restore else "give --restore never, or cut it into parts"
        ways = f"leave the measuring out, {ways}" if measures else ways
        raise UserError(f"{job.path}: {width}x{height} pixels need {needed:.1f} GB, and {free:.1f} are free; {ways}")


def free_gigabytes(system: Path = SYSTEM, container: Path = CONTAINER) -> float | None:
    """Memory that can still be had, with what is swapped out, in GB; None where the system does not tell.

    Args:
        system: the file in which Linux tells it.
        container: the folder in which it tells what this group of processes may have.
    """
    return min(_free(system, container), default=None)


def _free(system: Path, container: Path) -> Iterator[float]:
    try:
        lines = (line.split() for line in system.read_text().splitlines())
        values = {words[0]: int(words[1]) for words in lines if len(words) > 1}  # kB
        yield (values["MemAvailable:"] + values["SwapFree:"]) * 1024 / 1e9
    except (OSError, KeyError, ValueError):
        pass
    try:
        most, used = (int((container / name).read_text()) for name in ("memory.max", "memory.current"))
        figures = dict(line.split() for line in (container / "memory.stat").read_text().splitlines())
        yield (most - used + int(figures["inactive_file"])) / 1e9  # files that were read give way
    except (OSError, KeyError, ValueError):  # also for "max": without a limit
        pass
