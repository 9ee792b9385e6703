"""Score a folder of probability maps or masks by the metrics of the crack literature: ``python -m tools.score``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from contracts.command_line import module_parser
from contracts.errors import UserError, run_main
from contracts.files import write_table, write_text
from contracts.paths import user_path
from engine.runtime.progress import Progress
from metrics import pooled, sweep
from metrics.accumulator import Accumulator
from metrics.scores import evaluate_image
from metrics.sweep import Counts
from metrics.tolerant import Matches, match
from tools.score.conventions import Row, Scored, divided, own_thresholds, rows, scsegamba, scsegamba_counts
from tools.score.doubts import Doubts
from tools.score.files import Matched, crack, match_files, probability, read_values, survey
from tools.score.tables import as_json, convention_tables, other_figures, scsegamba_table

EXPLANATION = """\
Published figures of one and the same predictions differ by conventions alone. This prints all of them, so that yours
can be laid beside any paper's:

  pooled            the pixels of all photographs are counted as one's
  mean over images  each photograph has its figure; one without a crack counts 1 or 0, is left out, or is always 0
  2 px, 5 px        predicted pixels that near a true one are right, and the other way round
  mIoU              IoU of crack and of background, averaged: about .49 for no crack at all
  thresholds        0.5; one that was chosen on a validation set (--threshold); the best on this very set, for each
                    figure its own (with F1 pooled: ODS); each photograph's own (OIS)
  maps              as they are, and each divided by its own maximum, as some projects save them

docs/metrics.md says which papers use which. Predictions are grey images of 8 or 16 bits (0 to 255 or 65535 for 0 to
1), masks (0/1 or 0/255), or .npy arrays [H,W] of floats in [0, 1]; their range is decided for the folder. Masks: crack
where above half of their range. Files belong together by stem, whatever their endings; folders inside are searched.

examples:
  python -m tools.score results/ datasets/mine/masks --suffix _probability      what predict.py wrote
  python -m tools.score theirs/ masks/ --threshold 0.37 --json theirs.json --csv theirs.csv
"""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line. Raises UserError for a threshold that is none of the 99."""
    parser = module_parser("tools.score", __doc__, EXPLANATION)
    add = parser.add_argument
    add("predictions", type=user_path, metavar="PREDICTIONS", help="folder of probability maps or masks")
    add("masks", type=user_path, metavar="MASKS", help="folder of true masks")
    add("--threshold", type=float, metavar="T", help="also score at this one, such as chosen on a validation set")
    add("--suffix", default="", metavar="TEXT", help="ending of the predictions' stems; files without it do not count")
    add("--mask-suffix", default="", metavar="TEXT", help="likewise of the masks")
    add("--only-common", action="store_true", help="leave out what only one of the folders has")
    add("--json", type=user_path, metavar="FILE", help="write all figures")
    add("--csv", type=user_path, metavar="FILE", help="write those of each photograph")
    chosen = parser.parse_args(arguments)
    if chosen.threshold is not None:
        try:
            pooled.threshold_index(chosen.threshold)
        except ValueError as error:
            raise UserError(f"--{error}") from None
    return chosen


def score(
    pairs: Sequence[Matched], threshold: float | None
) -> tuple[Accumulator, list[Row], dict[str, float], list[str]]:
    """Score pairs of files.

    Args:
        pairs: what belongs together.
        threshold: to score at besides 0.5 and the best, or None.

    Returns:
        The scores of the images, every convention's figures, those of SCSegamba's evaluation, doubts about the masks.

    Raises:
        UserError: naming a file that cannot be read, and sizes that differ.
    """
    images, theirs = Accumulator(), []
    plain: list[tuple[Counts, dict[int, Matches]]] = []
    scaled: list[tuple[Counts, dict[int, Matches]]] = []
    are_masks, doubts = True, Doubts()
    with Progress(2 * len(pairs), "scoring") as bar:
        of_predictions, of_masks = survey(pairs, bar.update)
        for pair in pairs:
            prob = probability(read_values(pair.prediction), of_predictions)
            mask = read_values(pair.mask, colour=True)
            doubts.look(pair.name, mask, of_masks)
            truth = crack(mask, of_masks)
            scores = evaluate_image(prob, truth, surface_thresholds=None, threshold=threshold)
            images.add(pair.name, scores)
            plain.append((scores.counts, scores.matches))
            levels = sweep.threshold_levels(divided(prob))
            scaled.append((sweep.count(levels, truth), match(levels, truth)))
            theirs.append(scsegamba_counts(prob, truth))
            are_masks = are_masks and bool(np.isin(prob, (0, 1)).all())
            bar.update()
    as_is = Scored.of("as they are", plain)
    if are_masks:
        return images, rows(as_is, 0.5), scsegamba(theirs), doubts.sentences()
    given = [] if threshold is None else [threshold]
    made = []
    for scored in (as_is, Scored.of("divided by their maximum", scaled)):
        for chosen in (0.5, *given, None):
            made += rows(scored, chosen)
        made += own_thresholds(scored)
    return images, made, scsegamba(theirs), doubts.sentences()


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = parse(arguments)
    pairs, notes = match_files(chosen.predictions, chosen.masks, chosen.suffix, chosen.mask_suffix, chosen.only_common)
    images, made, theirs, doubts = score(pairs, chosen.threshold)
    notes = [*notes, *doubts]
    for note in notes:
        print(note)
    summary = images.summary()
    print(f"{len(pairs)} predictions of {chosen.predictions}, masks of {chosen.masks}")
    if len({row.threshold for row in made}) == 1:
        print("predictions are masks: there is no threshold to choose")
    print("\n" + convention_tables(made) + "\n\n" + scsegamba_table(theirs) + "\n\n" + other_figures(summary))
    if chosen.json is not None:
        content: dict[str, Any] = {"predictions": str(chosen.predictions), "masks": str(chosen.masks), "notes": notes}
        content |= {
            "conventions": as_json(made),
            "scsegamba": {name: value for name, value in theirs.items() if np.isfinite(value)},
            "figures": summary,
        }
        write_text(chosen.json, json.dumps(content, indent=2, allow_nan=False) + "\n")
    if chosen.csv is not None:
        write_table(chosen.csv, images.rows())


if __name__ == "__main__":
    run_main(main)
