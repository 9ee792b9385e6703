"""Make a folder of weights to ship, in the layout of model hubs, of an experiment."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from contracts.command_line import module_parser
from contracts.errors import UserError, run_main
from contracts.files import write_bytes
from contracts.paths import user_path
from data.synthetic import SyntheticSource
from engine.build.checkpoint import Checkpoint
from engine.options import Options
from engine.options.load import parse_options
from engine.options.renamed import of_today
from engine.predict.photo import search
from engine.predict.tiled_model import TiledModel
from engine.runtime import shipped
from engine.runtime.checkpoint import load_file
from engine.runtime.experiment import Experiment, put_in_place, require_writable, staging_for, weights_of
from engine.runtime.weights_folder import CARD, TENSORS, write_folder
from tools.ship.card import PICTURES, make_card
from tools.ship.card_data import CardData, read_card_data
from tools.ship.measured import read_measured

EXPLANATION = """\
The best weights of the experiment, else the latest, are rounded to float16; tensors that would lose digits stay
float32. Before anything is put in its place the shipped model is read back and compared with the trained one, in
float32, on a drawn photograph, restored and as it is: where probabilities differ by more than 0.03, nothing is written.

The card (README.md) tells data, licences and recipe by itself. Figures come from --results, the results.json of a
measurement with intervals; what people add from --card-data, a YAML file:

  summary: A paragraph about the model.
  intended_use: [lines, ...]
  limits: [lines, ...]
  failures:
    - {text: Joints between slabs are taken for cracks., picture: joints.jpg}

examples:
  python -m tools.ship experiments/joint --name compact
  python -m tools.ship experiments/joint --name compact --results measured/results.json --card-data card.yml --overwrite
"""
LIMIT = 0.03  # largest difference of a probability
CHECKED = 160  # px, side of the drawn photograph


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = module_parser("tools.ship", __doc__, EXPLANATION)
    add = parser.add_argument
    add("experiment", type=user_path, metavar="FOLDER", help="experiments/NAME, or a file of weights")
    add("--name", required=True, help="of the folder below weights/; predict.py and evaluate.py take "
        f"'{shipped.DEFAULT}' if they are not told otherwise")  # fmt: skip
    add("--results", type=user_path, metavar="FILE", help="results.json with intervals; unset: 'Not measured'")
    add("--card-data", type=user_path, metavar="FILE", help="YAML or JSON for the card")
    add("--overwrite", action="store_true", help="replace earlier weights of this name")
    return parser.parse_args(arguments)


def ship(
    source: Path,
    name: str,
    results: dict[str, Any] | None = None,
    data: CardData | None = None,
    overwrite: bool = False,
) -> Path:
    """Write ``weights/NAME`` and say what it is; returns the folder.

    Args:
        source: an experiment's folder or a file of weights.
        name: of the folder of weights.
        results: content of results.json with intervals.
        data: what people add to the card.
        overwrite: replace earlier weights of this name.

    Raises:
        UserError: for a name that is taken (unless ``overwrite``) or is none, for weights that do not fit their
            options, and where rounding changes what the model finds.
    """
    folder = shipped.WEIGHTS / name
    if not name.replace("-", "").replace("_", "").isalnum():
        raise UserError(f"--name {name}: give letters, digits, - and _, as it names a folder")
    if folder.exists() and not overwrite:
        raise UserError(f"{folder} exists; give --overwrite to replace it, or another --name")
    require_writable(folder, "--name")
    path = weights_of(Experiment(source)) if source.is_dir() else source
    content = load_file(path, "meta", "step", "options")
    content = {**content, "options": portable(content["options"], str(path))}
    staging = staging_for(folder)
    try:
        difference = _write(staging, name, path, content, results, data)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    earlier = put_in_place(staging, folder)
    if earlier is not None:
        shutil.rmtree(earlier)
    size = (folder / TENSORS).stat().st_size / 1e6
    print(f"{folder}: {size:.2f} MB, of {path} (step {content['step']})")
    print(f"on a drawn photograph the shipped model's probabilities differ by {difference:.2g} at most")
    return folder


def _write(
    staging: Path, name: str, path: Path, content: dict[str, Any], results: dict[str, Any] | None, data: CardData | None
) -> float:
    """Write all to ``staging``, and return how far the answers are from those of the trained weights."""
    options = parse_options(of_today(content["options"]), str(path))
    numbers = sum(value.numel() for value in content["model"].values() if value.is_floating_point())
    write_folder(staging, content, make_card(name, content, f"{numbers / 1e6:.2f} million numbers", results, data))
    for failure in data.failures if data else ():
        if failure.picture is not None:
            write_bytes(staging / PICTURES / failure.picture.name, failure.picture.read_bytes())
    difference = largest_difference(options, content, load_file(staging), path)
    if not difference <= LIMIT:
        message = f"in float16 probabilities differ by {difference:.2g}, over {LIMIT}"
        raise UserError(f"{path}: {message}; nothing was written: these weights cannot be shipped so")
    return difference


def portable(options: dict[str, Any], name: str) -> dict[str, Any]:
    """The options for other machines: paths relative to the working directory, and no one's W&B or results folder."""
    shared = {key: value for key, value in options.items() if key not in ("wandb", "path")}
    return _relative(parse_options(shared, name).model_dump(mode="json"))


def _relative(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _relative(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_relative(inner) for inner in value]
    return os.path.relpath(value) if isinstance(value, str) and os.path.isabs(value) else value


def largest_difference(options: Options, trained: dict[str, Any], rounded: dict[str, Any], path: Path) -> float:
    """Of the probabilities that two checkpoints find in a drawn photograph, in float32 on the CPU."""
    pixels = SyntheticSource(1, size=CHECKED, seed=options.seed, crack_free=0).load(0)[0]
    checkpoints = [Checkpoint(options, file["model"], file["meta"], file["step"], path) for file in (trained, rounded)]
    models = [TiledModel(checkpoint.model(), torch.device("cpu")) for checkpoint in checkpoints]
    probabilities = [[search(model, pixels, restore, str(path)).fine for restore in (True, False)] for model in models]
    return max(float(np.abs(first - second).max()) for first, second in zip(*probabilities, strict=True))


def main(arguments: list[str] | None = None) -> None:
    """Read what is given, before any work, and ship."""
    args = parse(arguments)
    results = None if args.results is None else read_measured(args.results)
    data = None if args.card_data is None else read_card_data(args.card_data)
    folder = ship(args.experiment, args.name, results, data, args.overwrite)
    print(f"wrote {folder / CARD}: read it before it is published")


if __name__ == "__main__":
    run_main(main)
