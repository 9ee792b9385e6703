"""Cracks as rows of a table, one for each crack of an image, in pixels and, where the scale is known, in mm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from metrics.figure import Figure
from metrics.geometry import Crack
from metrics.scale import Scale

FIGURES = ("length", "mean_width", "p95_width", "max_width")
Row = dict[str, object]


def rows_of(name: str, cracks: Sequence[Crack], scale: Scale | None = None) -> Iterator[Row]:
    """A row for each crack of an image.

    Args:
        name: of the image.
        cracks: as ``metrics.geometry.measure`` returned them.
        scale: of the image; with it there are columns in mm, too.
    """
    for number, crack in enumerate(cracks, 1):
        row: Row = {"image": name, "crack": number}
        for figure in FIGURES:
            value: Figure | None = getattr(crack, figure)
            row |= _cells(f"{figure}_px", value)
            if scale is not None:
                row |= _cells(f"{figure}_mm", None if value is None else scale.of(value))
        row |= {"orientation": _rounded(crack.orientation), "area_px": _rounded(crack.area)}
        if scale is not None:
            row["area_mm2"] = _rounded(crack.area * scale.mm_per_pixel**2)
        down, right = crack.widest or (None, None)
        row |= {"widest_row": _rounded(down), "widest_column": _rounded(right)}
        box = zip(("top", "left", "bottom", "right"), crack.box, strict=True)
        row |= {"branches": crack.branches, "junctions": crack.junctions, **dict(box)}
        yield row | {"method": "" if crack.reason else crack.method, "reason": crack.reason}


def _cells(name: str, figure: Figure | None) -> Row:
    value, uncertainty = (None, None) if figure is None else (figure.value, figure.uncertainty)
    return {name: _rounded(value), f"{name}_uncertainty": _rounded(uncertainty)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else significant(value)


def significant(value: float) -> float:
    """A number to six digits, or to three decimals where that is more."""
    return round(value, 3) if abs(value) >= 1000 else float(f"{value:.6g}")
