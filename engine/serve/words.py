"""What was found, in plain words and rounded numbers: the same on the page and in the report."""

from __future__ import annotations

import math
from collections.abc import Iterator

from engine.serve.found import Found, Shown, widest_of
from metrics.figure import Figure
from metrics.geometry import Crack, total_length
from metrics.scale import Scale

COLUMNS = ("length", "mean width", "widest", "direction")
JOINED = "\u00a0"  # between number and unit, where no line ends
LIMITS = (
    "A program's finding, not an inspection: it misses cracks and takes joints, stains or twigs for some.",
    "± is one standard uncertainty of measuring these pixels and of the scale, not of how well a crack was found.",
    "A crack thinner than the blur of the photograph is measured as wide as the blur.",
    "One scale holds for the whole photograph only where it looks straight at a flat surface.",
)


def decimals(uncertainty: float) -> int:
    """Decimals to round to: one significant digit of the uncertainty, two where the first is a 1."""
    if not 0 < uncertainty < math.inf:
        return 1
    exponent = math.floor(math.log10(uncertainty))
    first = int(uncertainty / 10**exponent + 1e-9)
    return min(3, max(0, -exponent + (first == 1)))


def rounded(figure: Figure, bare: bool = False) -> str:
    """A figure as "1.8 ± 0.3"; ``bare``: without its uncertainty."""
    places = decimals(figure.uncertainty)
    spread = f"{JOINED}±{JOINED}{figure.uncertainty:.{places}f}"
    return f"{figure.value:.{places}f}" + ("" if bare else spread)


def unit(scale: Scale | None) -> str:
    """Of lengths."""
    return "px" if scale is None else "mm"


def in_unit(figure: Figure, scale: Scale | None) -> Figure:
    """A length in pixels in the unit that is shown."""
    return figure if scale is None else scale.of(figure)


def headline(shown: Shown, scale: Scale | None) -> str:
    """The answer in one line."""
    if shown.note:
        return "No cracks found" if shown.fraction == 0 else f"Cracks on {100 * shown.fraction:.2g}% of the photograph"
    measured, name = shown.measured, unit(scale)
    if not measured:
        return "No cracks found" if not shown.cracks else "Nothing large enough to measure"
    count = f"{len(measured)} crack" + ("" if len(measured) == 1 else "s")
    total = rounded(in_unit(total_length(measured), scale), bare=True)
    widest = widest_of(measured)
    assert widest is not None and widest.max_width is not None  # measured ones have one
    width = rounded(in_unit(widest.max_width, scale))
    all_of_it = f"in{JOINED}all" if len(measured) > 1 else "long"
    return f"{count}, {total}{JOINED}{name} {all_of_it}, widest {width}{JOINED}{name}"


def facts(found: Found, shown: Shown) -> tuple[str, ...]:
    """About the photograph, how it was looked at, and what has to be known, phrases."""
    height, width = found.received.size
    small = len(shown.cracks) - len(shown.measured)
    specks = (f"{small} speck{'' if small == 1 else 's'} too small to measure",) if small else ()
    share = () if shown.note else (f"{100 * shown.fraction:.2g}% of the photograph",)
    how = found.how.replace("--restore always", "always restore")  # the page has no command line
    return (f"{width} x {height} px", how, *share, *specks, *found.received.photo.notes)


def scale_words(scale: Scale | None) -> str:
    """What is said of the scale."""
    if scale is None:
        return "not known, lengths are in pixels of the photograph"
    spread = f" ± {100 * scale.relative:.1g}%" if scale.relative else ""
    return f"{scale.mm_per_pixel:.4g} mm per pixel{spread} ({scale.origin})"


def rows(cracks: tuple[Crack, ...], scale: Scale | None) -> Iterator[tuple[str, ...]]:
    """Cells of each measured crack: its number and ``COLUMNS``."""
    for number, crack in enumerate(cracks, 1):
        figures = (crack.length, crack.mean_width, crack.max_width)
        cells = ("" if figure is None else rounded(in_unit(figure, scale)) for figure in figures)
        yield (str(number), *cells, "" if crack.orientation is None else f"{crack.orientation % 180:.0f}°")
