"""Draw who imports whom: packages and the rooms of the engine, above what they stand on.

python -m tools.architecture --out docs/architecture.png
"""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

from matplotlib.axes import Axes

from contracts.command_line import module_parser
from contracts.errors import run_main
from contracts.paths import user_path
from visualization.drawing import GREEN, INK, ORANGE, SKY_BLUE
from visualization.figures import new_figure, rendered, rgb

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "comparison", "contracts", "csbsr", "data", "degradations", "engine", "losses", "metrics", "models", "tracking",
    "visualization",
)  # fmt: skip
SCRIPTS = "the scripts *.py"
Graph = dict[str, set[str]]
HEIGHT = 0.28  # of a box, in rows


def unit_of(parts: tuple[str, ...]) -> str:
    """The box that a module stands in: its package, of the engine its room, of a script all scripts."""
    if len(parts) == 1 and parts[0] not in PACKAGES:
        return SCRIPTS
    return "/".join(parts[:2]) if parts[0] == "engine" and len(parts) > 1 else parts[0]


def imports_of_units() -> Graph:
    """Of each box the others that it imports."""
    imports: Graph = defaultdict(set)
    for path in (*ROOT.glob("*.py"), *(file for name in PACKAGES for file in (ROOT / name).rglob("*.py"))):
        parts = path.relative_to(ROOT).with_suffix("").parts
        unit = unit_of(tuple(part for part in parts if part != "__init__"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in PACKAGES:
                imports[unit].add(unit_of(tuple(node.module.split("."))))
    return {unit: others - {unit} for unit, others in imports.items() if unit != "engine"}


def below(graph: Graph, unit: str) -> set[str]:
    """All that a box stands on, also by way of others."""
    return {other for direct in graph.get(unit, ()) for other in (direct, *below(graph, direct))}


def reduced(graph: Graph) -> Graph:
    """Without arrows that others imply."""
    return {
        unit: {target for target in others if not any(target in below(graph, other) for other in others - {target})}
        for unit, others in sorted(graph.items())
    }


def places(graph: Graph) -> dict[str, tuple[float, int]]:
    """Column and row of each box: a row above the highest that it imports; in a row near those below."""
    units = {*graph, *(other for others in graph.values() for other in others)}
    height: dict[str, int] = {}
    while len(height) < len(units):
        for unit in units - height.keys():
            if graph.get(unit, set()) <= height.keys():
                height[unit] = 1 + max((height[other] for other in graph.get(unit, ())), default=-1)
    positions: dict[str, tuple[float, int]] = {}
    for row in range(max(height.values()) + 1):
        here = sorted(unit for unit in units if height[unit] == row)
        columns_below = {unit: [positions[other][0] for other in sorted(graph.get(unit, ()))] for unit in here}
        here.sort(key=lambda unit: sum(columns_below[unit]) / len(columns_below[unit]) if columns_below[unit] else 0.0)
        for column, unit in enumerate(here):
            positions[unit] = (column - (len(here) - 1) / 2, row)
    return positions


def draw(axes: Axes, graph: Graph) -> None:
    """Boxes in rows, an arrow from each to what it imports."""
    positions = places(graph)
    colours = {"engine": ORANGE, "csbsr": GREEN, SCRIPTS: GREEN, "contracts": INK}
    for unit, others in reduced(graph).items():
        x, y = positions[unit]
        for other in sorted(others):
            to = positions[other]
            bend = "arc3,rad=0.85" if to[0] == x and y - to[1] > 1 else "arc3"  # else it would run behind a box
            style = {"arrowstyle": "-|>", "color": "0.55", "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0}
            ends = (to[0], to[1] + HEIGHT / 2), (x, y - HEIGHT / 2)
            axes.annotate("", *ends, arrowprops={**style, "connectionstyle": bend})
    for unit, (x, y) in positions.items():
        colour = rgb(colours.get(unit.split("/")[0], SKY_BLUE))
        box = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": colour, "linewidth": 1.6}
        axes.text(x, y, unit, ha="center", va="center", fontsize=9, bbox=box)
    columns = [x for x, _ in positions.values()]
    axes.set(xlim=(min(columns) - 0.7, max(columns) + 0.7), ylim=(-0.6, max(y for _, y in positions.values()) + 0.6))
    axes.axis("off")


def main() -> None:
    """Draw the picture."""
    parser = module_parser("tools.architecture", __doc__)
    parser.add_argument("--out", type=user_path, required=True, metavar="FILE", help="the picture, a PNG file")
    args = parser.parse_args()
    figure, (axes,) = new_figure(width=8.6, height=6.4)
    draw(axes, imports_of_units())
    rendered(figure, args.out)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    run_main(main)
