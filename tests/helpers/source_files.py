"""The files of the project, and what each package may import."""

from __future__ import annotations

from tests.helpers.runs import ROOT

# What each package may import besides itself: a package with all that is in it, or one module.
ALLOWED: dict[str, set[str]] = {
    "contracts": set(),
    "data": {"contracts"},
    "degradations": {"contracts"},
    "models": {"contracts"},
    "metrics": {"contracts"},
    "visualization": {"contracts"},
    "tracking": {"contracts", "visualization.drawing"},
    "losses": {"contracts", "degradations.blur", "degradations.resize"},
    "engine": {"contracts", "data", "degradations", "models", "metrics", "tracking", "visualization", "losses"},
    "comparison": {"contracts", "data", "engine", "metrics", "tracking.wandb_files", "visualization"},
    "csbsr": {"contracts", "engine", "data.images", "degradations", "losses", "metrics", "models"},
}
PACKAGES = {*ALLOWED, "tools", "benchmarks"}
FILES = sorted(
    path for path in (*ROOT.glob("*.py"), *(file for name in PACKAGES for file in (ROOT / name).rglob("*.py")))
)
