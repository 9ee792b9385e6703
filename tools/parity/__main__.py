"""Compare this code with the reference implementation on numeric fixtures: ``python -m tools.parity``."""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path

import numpy as np
import torch

from contracts.command_line import module_parser
from contracts.errors import UserError, nearest, run_main
from contracts.paths import user_path
from tools.parity.functions import FUNCTION_CHECKS, SINGLE_PRECISION
from tools.parity.networks import WeightsMismatch, find_check, network_quantities
from tools.parity.verdict import DTYPES, HEADER, Quantity, Verdict, judge

EXPLANATION = """\
A fixture is a file NAME.npz with inputs and expected outputs of the authors' released code, computed in
float64. Networks get made-up weights: for every tensor name in KEYS/NAME.json a fixed rule gives its
values, and they enter our networks through the map from the authors' names to ours. A pass therefore
shows two things: the same function, and that the authors' checkpoints can be read.

Each line is the worst quantity of a fixture: the largest absolute error against its limit, once with
everything in float32 and once in float64. Limits are 1e-5 and 1e-8 times the largest expected value;
quantities that exist in float32 only have the first limit twice, and a few that amplify rounding a wider
first one. Fixtures of networks that do not exist yet are skipped by name.

Exit code: 0 all passed or skipped, 1 one failed, 2 wrong call.

examples:
  python -m tools.parity --fixtures fixtures/
  python -m tools.parity --fixtures fixtures/ --only kbpn_x4_stage4 losses --quantities
"""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = module_parser("tools.parity", __doc__, EXPLANATION)
    add = parser.add_argument
    add("--fixtures", type=user_path, required=True, metavar="DIR", help="folder of NAME.npz files")
    add("--keys", type=user_path, metavar="DIR", help="folder of NAME.json key lists (default: FIXTURES/keys)")
    add("--only", nargs="+", metavar="NAME", help="check these fixtures only")
    add("--quantities", action="store_true", help="a line for every quantity, not only the worst")
    return parser.parse_args(arguments)


def fixture_names(folder: Path, only: list[str] | None) -> list[str]:
    """Names of the fixtures to check, sorted. Raises UserError for a wrong folder or an unknown name."""
    if not folder.is_dir():
        raise UserError(f"--fixtures: no folder {folder}")
    names = sorted(path.stem for path in folder.glob("*.npz"))
    if not names:
        raise UserError(f"--fixtures: no .npz files in {folder}")
    for name in only or ():
        if name not in names:
            raise UserError(f"--only: no fixture '{name}' in {folder}{nearest(name, names)}")
    return [name for name in names if not only or name in only]


def read_fixture(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a fixture. Raises UserError if the file cannot be read."""
    try:
        with np.load(path) as arrays:
            return dict(arrays)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"cannot read fixture {path} ({type(error).__name__})") from None


def check_fixture(name: str, fixture: dict[str, np.ndarray], keys: Path) -> list[Verdict]:
    """Verdicts of one fixture that has a check. Raises UserError if it lacks an array."""
    try:
        if name in FUNCTION_CHECKS:
            compared: dict[torch.dtype, list[Quantity]] = {
                dtype: FUNCTION_CHECKS[name](fixture, dtype) for dtype in DTYPES
            }
        else:
            compared = network_quantities(name, fixture, keys)
    except KeyError as error:
        raise UserError(f"fixture {name} has no array {error}") from None
    if not compared[torch.float64]:
        raise UserError(f"fixture {name} holds none of the expected outputs")
    return judge(name, compared, SINGLE_PRECISION)


def report(name: str, fixtures: Path, keys: Path, every_quantity: bool) -> bool:
    """Check one fixture and print its line (or lines); return whether it passed or was skipped."""
    if name not in FUNCTION_CHECKS and find_check(name) is None:
        print(f"skipped: {name} (not built yet)", flush=True)
        return True
    try:
        verdicts = check_fixture(name, read_fixture(fixtures / f"{name}.npz"), keys)
    except WeightsMismatch as error:
        print(f"{name:30} FAILED: {error}", flush=True)
        return False
    shown = verdicts if every_quantity else [max(verdicts, key=lambda verdict: verdict.badness)]
    for verdict in shown:
        print(verdict.line(), flush=True)
    return all(verdict.passed for verdict in verdicts)


def main(arguments: list[str] | None = None) -> int:
    """Check all fixtures asked for; returns 1 if one failed."""
    options = parse(arguments)
    names = fixture_names(options.fixtures, options.only)
    keys = options.keys or options.fixtures / "keys"
    print(HEADER)
    failed = [name for name in names if not report(name, options.fixtures, keys, options.quantities)]
    if failed:
        print(f"{len(failed)} failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    run_main(main)
