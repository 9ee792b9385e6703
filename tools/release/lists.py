"""Lists that leave a source of photographs out: ``python -m tools.release.lists --leave-out SUT UAV75 --out DIR``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.command_line import module_parser
from contracts.errors import UserError, nearest, run_main
from contracts.files import write_text
from contracts.paths import user_path
from data.folders import read_split_lists
from engine.runtime.experiment import require_writable

LISTS = ("release_train", "release_val")
GROUPS = "groups.tsv"
EXPLANATION = """\
What weights get on photographs unlike any that they were trained on: for each source S it writes, below --out,
  without_S/LIST.txt   every list, without the photographs of S
  without_S/test.txt   those photographs, from all the lists
A source is a folder (the first part of FOLDER/STEM), or else what stands before the colon in the third column of
ROOT/splits/groups.tsv. Photographs of the same source by that column, in other folders, are left out of the lists too,
but not tested on, as they were labelled otherwise. Each source is left out alone.

  python -m tools.release.lists --leave-out SUT UAV75 --out datasets/left_out
  python train_joint.py -opt options/release/compact.yml --force_yml name=without_SUT \\
      datasets:train:lists=datasets/left_out/without_SUT/release_train.txt
  python -m tools.release --sets --set SUT=datasets/left_out/without_SUT/test.txt
"""


@dataclass(frozen=True)
class LeftOut:
    """Lists from which a source was left out.

    Args:
        kept: lines of each list without the source, by its name.
        test: lines of the source.
        elsewhere: how many more are in no list now, as they are of the same source in other folders.
    """

    kept: dict[str, list[str]]
    test: list[str]
    elsewhere: int


def read_tags(path: Path) -> dict[str, str]:
    """The source of each FOLDER/STEM as a file of groups (dataset, stem, SOURCE:GROUP) tells; empty without the file.

    Raises UserError for a line of another form.
    """
    if not path.is_file():
        return {}
    tags = {}
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        columns = line.split("\t")
        if len(columns) != 3:
            raise UserError(f"{path}: '{line}' is not 'dataset, stem, group', divided by tabs; correct it")
        tags[f"{columns[0]}/{columns[1]}"] = columns[2].partition(":")[0]
    return tags


def leave_out(source: str, lists: Mapping[str, Sequence[str]], tags: Mapping[str, str]) -> LeftOut:
    """Divide lists of photographs by whether they are of one source.

    Args:
        source: a folder, or one of the values of ``tags``.
        lists: lines FOLDER/STEM of each list, by its name.
        tags: source of each FOLDER/STEM.

    Raises:
        UserError: for a source that no list has, and where nothing else is left of a list.
    """

    def folder(line: str) -> str:
        return line.partition("/")[0]

    lines = [line for name in lists for line in lists[name]]
    own = [line for line in dict.fromkeys(lines) if folder(line) == source]
    test = own or [line for line in dict.fromkeys(lines) if tags.get(line) == source]
    if not test:
        known = sorted({folder(line) for line in lines} | {tags[line] for line in lines if line in tags})
        message = f"no such source{nearest(source, known)}; there are: {', '.join(known)}"
        raise UserError(f"--leave-out {source}: {message}")
    alike = {tags[line] for line in test if line in tags}
    excluded = {line for line in lines if tags.get(line) in alike} | set(test)
    kept = {name: [line for line in lists[name] if line not in excluded] for name in lists}
    empty = next((name for name, left in kept.items() if not left), None)
    if empty is not None:
        raise UserError(f"--leave-out {source}: nothing is left of {empty}; leave another source out")
    return LeftOut(kept, test, len(excluded) - len(test))


def write_lists(folder: Path, left_out: LeftOut) -> None:
    """Write every list and the test of a source to its folder."""
    for name, lines in {**left_out.kept, "test": left_out.test}.items():
        write_text(folder / f"{name}.txt", "\n".join(lines) + "\n")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = module_parser("tools.release.lists", __doc__, EXPLANATION)
    add = parser.add_argument
    add("--leave-out", nargs="+", required=True, metavar="SOURCE", help="sources to leave out, each alone")
    add("--root", type=user_path, default=Path("datasets/real"), help="folder with splits (datasets/real)")
    add("--lists", nargs="+", default=list(LISTS), metavar="NAME", help=f"of ROOT/splits ({' '.join(LISTS)})")
    add("--out", type=user_path, required=True, metavar="DIR", help="where to write")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    splits = args.root / "splits"
    lists = {name: list(read_split_lists(splits / f"{name}.txt", args.root)) for name in args.lists}
    tags = read_tags(splits / GROUPS)
    require_writable(args.out, "--out")
    for source, left_out in {source: leave_out(source, lists, tags) for source in args.leave_out}.items():
        folder = args.out / f"without_{source}"
        write_lists(folder, left_out)
        counts = ", ".join(f"{name} {len(lines)} of {len(lists[name])}" for name, lines in left_out.kept.items())
        others = (
            f" ({left_out.elsewhere} more of that source, in other folders, left out too)" if left_out.elsewhere else ""
        )
        print(f"{folder}: {counts}, test {len(left_out.test)}{others}")


if __name__ == "__main__":
    run_main(main)
