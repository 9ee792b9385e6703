"""Turn a checkpoint that the authors released into weights for evaluate.py and predict.py."""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml

from contracts.command_line import module_parser
from contracts.errors import UserError, run_main
from contracts.files import write_text
from contracts.paths import user_path
from engine.runtime.checkpoint import save_atomic
from engine.runtime.experiment import Experiment, require_writable
from tools.import_csbsr.released import imported

EXPLANATION = """\
A released file is a flat dictionary of tensors: sr_model.* (KBPN, DBPN or SrcNet; none: the image is enlarged
bicubically) together with segmentation_model.* (PSPNet, PSPNet with blur skip, U-Net, CrackFormer, HRNet+OCR or
SegNet), or parallel_model.* (DSRL), with or without 'module.' in front. Which networks they are is read from the
names; every tensor has to fit, by name and shape, or nothing is written. Pickled objects are refused unread, as
they could run code.

The folder gets
  models/latest.pth   the weights with their options, for --weights
  options.yml         these options: the paper's sizes and data, and 'compat: reference', which is how the
                      released program blurs and scores (zeros beyond borders), with HD95 as the paper has it;
                      change any of them with --force_yml, all of that with compat=corrected

examples:
  python -m tools.import_csbsr downloads/csbsr_pspnet.pth
  python -m tools.import_csbsr downloads/csbsr_pspnet_beta09.pth -o experiments/beta09
  python predict.py photo.jpg --weights experiments/released_csbsr_pspnet/models/latest.pth
  python evaluate.py --degraded --weights experiments/released_csbsr_pspnet/models/latest.pth \\
      --force_yml datasets:test:root=datasets/crack_segmentation_dataset compat=corrected
"""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = module_parser("tools.import_csbsr", __doc__, EXPLANATION)
    parser.add_argument("file", type=user_path, metavar="FILE", help="the released checkpoint, such as downloads/x.pth")
    parser.add_argument(
        "-o",
        dest="out",
        type=user_path,
        metavar="DIR",
        help="new folder to write (unset: experiments/released_VARIANT); nothing in it is ever replaced",
    )
    return parser.parse_args(arguments)


def write(content: dict, folder: Path) -> Experiment:
    """Write an imported checkpoint as an experiment in a new folder. Raises UserError if something is there."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UserError(f"{folder} is there already and is not replaced; give a new folder with -o DIR")
    require_writable(folder, "-o")
    experiment = Experiment(folder)
    save_atomic(content, experiment.latest)
    write_text(experiment.options, yaml.safe_dump(content["options"], sort_keys=False))
    return experiment


def described(options: dict) -> str:
    """A network's type, with its stages if it has some."""
    return options["type"] + (f" ({options['stages']} stages)" if "stages" in options else "")


def main(arguments: list[str] | None = None) -> None:
    """Import the file and say what it was and how to use it."""
    options = parse(arguments)
    variant, content = imported(options.file)
    experiment = write(content, options.out or Path("experiments") / content["options"]["name"])
    weights = content["model"].values()
    size = sum(tensor.numel() for tensor in weights) / 1e6
    networks = " and ".join(map(described, variant.networks.values()))
    print(f"{options.file}: {networks}, {len(weights)} tensors, {size:.1f} million numbers")
    print(f"wrote {experiment.latest} and options.yml; use it with:")
    print(f"  python predict.py PHOTO --weights {experiment.latest}")
    print(f"  python evaluate.py --degraded --weights {experiment.latest} --force_yml datasets:test:root=FOLDER")


if __name__ == "__main__":
    run_main(main)
