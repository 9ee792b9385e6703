"""Render the degraded test images of an options file once, to evaluate on the same ones for ever.

python -m tools.freeze -opt options/joint.yml --out datasets/frozen/synthetic
python -m tools.freeze -opt options/joint.yml --out datasets/frozen/field --force_yml degradation:preset=field
python evaluate.py --degraded --force_yml datasets:test:frozen=datasets/frozen/synthetic

The folder gets lr/NAME.png (8 bit), kernels.npz (float32) and manifest.json (settings, draws, sha256).
It holds exactly what an evaluation on a CPU draws by itself, and keeps it the same for other devices and
versions of libraries, whose arithmetic may differ in the last bit.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from os.path import expanduser
from pathlib import Path

from contracts.command_line import module_parser
from contracts.errors import UserError, run_main
from contracts.paths import user_path
from data.sources import Source, fingerprint
from degradations.frozen import Item, to_uint8, write_frozen
from degradations.pipeline import Pipeline
from engine.build.data import build_degradation, build_source
from engine.evaluate.evaluator import evaluation_image
from engine.options import Options
from engine.options.load import load_options
from engine.runtime.experiment import require_writable
from engine.runtime.progress import Progress


def rendered(source: Source, pipeline: Pipeline, seed: int) -> Iterator[Item]:
    """Name, degraded image uint8 [h,w,3], kernel [k,k] and draws of every photograph.

    As in an evaluation: cut to a multiple of the scale (right and bottom), one by one, epoch 0.
    """
    for index in range(len(source)):
        batch = evaluation_image(source, index, pipeline.scale)
        degraded = pipeline(batch.hr, batch.name, seed, batch.epoch)
        yield batch.name[0], to_uint8(degraded.lr)[0], degraded.kernel[0, 0].numpy(), degraded.drawn[0]


def freeze(options: Options, out: Path) -> int:
    """Write the frozen set of ``datasets.test`` to the folder ``out``; return the number of images.

    Raises UserError if there is no test set, or if ``out`` holds anything but this very set.
    """
    dataset = options.datasets.test
    if dataset is None:
        raise UserError("datasets.test: missing; add the photographs to freeze to the options file")
    require_writable(out, "--out")
    source = build_source(dataset, "datasets.test")
    pipeline = build_degradation(options, "degraded")
    meta = {"seed": dataset.seed, "data": fingerprint(source), **pipeline.describe()}
    with Progress(len(source), "freezing") as bar:
        write_frozen(out, counted(rendered(source, pipeline, dataset.seed), bar), meta)
    return len(source)


def counted(items: Iterator[Item], bar: Progress) -> Iterator[Item]:
    """The items, each counted on the bar."""
    for item in items:
        yield item
        bar.update()


def parse() -> argparse.Namespace:
    """Command line."""
    parser = module_parser("tools.freeze", __doc__)
    add = parser.add_argument
    add("-opt", type=expanduser, required=True, metavar="FILE", help="options file whose datasets.test is rendered")
    add("--out", required=True, type=user_path, metavar="DIR", help="folder, such as datasets/frozen/NAME")
    add("--force_yml", nargs="+", default=[], metavar="A:B=C", help="change options of the file")
    return parser.parse_args()


def main() -> None:
    """Render and say how to use it."""
    arguments = parse()
    options = load_options(arguments.opt, arguments.force_yml)
    count = freeze(options, arguments.out)
    print(f"{count} images; use them with --force_yml datasets:test:frozen={arguments.out}")


if __name__ == "__main__":
    run_main(main)
