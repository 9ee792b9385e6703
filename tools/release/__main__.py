"""Everything that is said about weights, measured in one go: ``python -m tools.release``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from os.path import expanduser
from pathlib import Path
from typing import Any

from contracts.command_line import module_parser
from contracts.errors import UserError, run_main
from contracts.paths import user_path
from data.sources import Source
from engine.runtime.memory import keep_freed_memory
from engine.runtime.progress import Progress
from metrics.baselines import BASELINES
from tools.release.false_alarms import AREAS, crack_free, finders, measure_all
from tools.release.intervals import LEVEL, RESAMPLES
from tools.release.intervals import SEED as RESAMPLING_SEED
from tools.release.report import Report
from tools.release.scores import measure, trained_on
from tools.release.sets import CONDITIONS, SEED, SETS, TESTS, condition_names, inputs_of, list_files, read_sets, spread
from tools.release.strangers import WAYS, compare
from tools.release.systems import MAIN, System, load_others, load_system
from tools.release.tables import false_alarms

PARTS = ("scores", "restore", "false_alarms")
CRACK_FREE = "METU_labels/noncrack"  # below the root: taken if it is there
EXPLANATION = """\
Sets are lists ROOT/splits/NAME.txt of pairs FOLDER/images/STEM and FOLDER/masks/STEM below ROOT. Conditions: hr, the
photograph as it is; others, LR photographs made of it, restored first: clean by bicubic reduction, degraded by the
paper's blur, field and any other preset by its steps. All are fixed for each photograph, and the same for all weights.
Probabilities are those of predict.py; scores count at 0.5, IoU_max and AIU over all thresholds.

--out gets results.json, tables.md and per_image.csv, written anew when a set is done: what is done stays if it is
interrupted. Intervals are bootstrapped over photographs, ratios and differences pair by pair.

  python -m tools.release --weights experiments/compact/models/best.pth --out results/compact
  python -m tools.release --weights FILE --against bicubic=OTHER --against apart=THIRD
  python -m tools.release --weights FILE --count 5 --parts scores              a quick look
  python -m tools.release --weights FILE --sets --set mine=lists/mine.txt --crack-free photographs/sound
"""


def named(text: str) -> tuple[str, str]:
    """NAME=PATH as (name, path)."""
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise argparse.ArgumentTypeError(f"'{text}': write it as NAME=FILE")
    return name, expanduser(path)


def number(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}': give a whole number of at least 1")
    return int(text)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = module_parser("tools.release", __doc__, EXPLANATION)
    add = parser.add_argument
    add("--weights", type=expanduser, metavar="FILE", help="weights to measure; unset: those that predict.py takes")
    add("--against", type=named, action="append", default=[], metavar="NAME=FILE", help="weights to compare with")
    add("--baselines", nargs="*", default=["classical"], choices=BASELINES, help="without learning (classical)")
    add("--root", type=user_path, default=Path("datasets/real"), help="folder of all photographs (datasets/real)")
    add("--sets", nargs="*", default=list(TESTS), choices=SETS, help=f"sets to measure ({', '.join(TESTS)})")
    add("--set", dest="own", type=named, action="append", default=[], metavar="NAME=LIST", help="a set of one's own")
    add("--conditions", nargs="+", default=list(CONDITIONS), choices=condition_names(), help="inputs to measure")
    add("--parts", nargs="+", default=list(PARTS), choices=PARTS, help="what to measure (all)")
    add("--restore-count", type=number, default=40, metavar="N", help="photographs of each set for --restore (40)")
    add("--crack-free", type=user_path, action="append", metavar="DIR", help=f"unset: {CRACK_FREE} below the root")
    add("--crack-free-restore", nargs="+", default=["auto"], choices=WAYS, help="how those are treated (auto)")
    add("--areas", type=number, nargs="+", default=list(AREAS), metavar="PX", help="least areas of alarms (1 50)")
    add("--count", type=number, metavar="N", help="use N photographs of each set, spread evenly: a quick look")
    add("--precision", choices=("auto", "float32", "bfloat16"), default="auto", help="of the networks")
    add("--allow-training-photographs", action="store_true", help="also score photographs that were trained on")
    add("--out", type=user_path, default=Path("results/release"), metavar="DIR", help="folder (results/release)")
    add("--overwrite", action="store_true", help="replace an earlier report there")
    return parser.parse_args(arguments)


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """What the figures depend on besides the weights and the photographs, as plain data."""
    return {
        "conditions": args.conditions,
        "degradation_seed": SEED,
        "count": args.count,
        "level": LEVEL,
        "resamples": RESAMPLES,
        "resampling_seed": RESAMPLING_SEED,
        "restore_count": args.restore_count,
    }


def begin(args: argparse.Namespace, systems: list[System], sets: dict[str, Source]) -> Report:
    """The report, with what is known before any work. Raises UserError for photographs that were trained on."""
    allowed = args.allow_training_photographs
    seen = {system.name: {name: trained_on(system, name, sets[name], allowed) for name in sets} for system in systems}
    report = Report.begun(args.out, systems[0].facts(), settings_of(args), args.overwrite)
    report.content["data"] = {name: {"trained_on": count} for name, count in seen[MAIN].items()}
    report.content["against"] = {
        system.name: {**system.facts(), "trained_on": seen[system.name]} for system in systems[1:]
    }
    return report


def measure_scores(args: argparse.Namespace, systems: list[System], sets: dict[str, Source], report: Report) -> None:
    """Scores of every system on every set: set by set, so that a set that is done is compared."""
    for name, source in sets.items():
        for system in systems:
            inputs = inputs_of(args.conditions, system.options.scale)
            baselines = tuple(args.baselines) if system.name == MAIN else ()
            with Progress(len(source), f"{name}: {system.name}") as bar:
                evaluation, facts = measure(system, source, inputs, baselines, bar.update)
            if system.name == MAIN:
                report.content["data"][name].update(facts)
            report.add_scores(system.name, name, evaluation)
        report.show_scores(name)


def measure_restore(args: argparse.Namespace, system: System, sets: dict[str, Source], report: Report) -> None:
    """The rule of ``--restore auto`` on every set."""
    inputs = inputs_of(args.conditions, system.options.scale)
    for name, source in sets.items():
        subset = spread(source, args.restore_count)
        with Progress(len(subset), f"{name}: --restore always, never, auto") as bar:
            report.add_restore(name, *compare(system, subset, inputs, bar.update))


def measure_alarms(args: argparse.Namespace, systems: list[System], folders: list[Path], report: Report) -> None:
    """What every system finds where no crack is."""
    paths = crack_free(folders, args.count)
    facts = {"folders": [str(folder) for folder in folders], "images": len(paths)}
    ways = finders(systems, args.baselines, args.crack_free_restore)
    measure_all(ways, paths, args.areas, lambda found: report.add_alarms({**facts, "systems": found}))
    print(f"\n{false_alarms(report.content)}\n", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    default_folder = args.root / CRACK_FREE
    folders = args.crack_free or ([default_folder] if default_folder.is_dir() else [])
    lists = list_files(args.root, args.sets, args.own)
    if not lists and not folders:
        raise UserError(f"{args.root}: nothing to measure; give --sets, --set NAME=LIST or --crack-free DIR")
    keep_freed_memory()
    system = load_system(MAIN, args.weights, args.precision)
    systems = [system, *load_others(args.against, system, args.precision)]
    if not set(args.parts) & {"scores", "restore"}:
        lists = {}
    description = f"{system.checkpoint.path} (step {system.checkpoint.step}) on {system.device} in {system.precision}"
    print(f"measuring {description} on {', '.join(lists) or 'crack-free photographs'}", flush=True)
    sets = read_sets(args.root, lists, args.count)
    report = begin(args, systems, sets)
    try:
        if "scores" in args.parts:
            measure_scores(args, systems, sets, report)
        if "restore" in args.parts:
            measure_restore(args, system, sets, report)
        if "false_alarms" in args.parts and folders:
            measure_alarms(args, systems, folders, report)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"what is done is in {args.out}") from None
    print(f"wrote {args.out}/results.json, tables.md and the rows of each photograph")


if __name__ == "__main__":
    run_main(main)
