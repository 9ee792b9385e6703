"""Time to score a test set as large as khanhha's, without the network: ``python -m benchmarks.test_set``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks.surface_sweep import prediction
from contracts.command_line import module_parser
from contracts.errors import UserError, run_main
from engine.evaluate.evaluator import SCORERS
from engine.runtime.memory import keep_freed_memory
from engine.runtime.progress import Progress
from metrics.accumulator import Accumulator
from metrics.scores import evaluate_image

KHANHHA = 1695
DISTINCT = 40  # drawn predictions, which are scored again and again: drawing is not what is timed
EXPLANATION = """\
Each image gets what evaluate.py reports of it: IoU, Dice, precision and recall at 99 thresholds, surface distances at
all of them, the centrelines' IoU. Images are scored on threads, as evaluation does it.
"""


def score_all(images: int, side: int) -> tuple[float, dict[str, float]]:
    """Seconds for ``images`` scores, and the figures of the whole."""
    pairs = [prediction(side, index) for index in range(min(DISTINCT, images))]
    scores = Accumulator()
    with ThreadPoolExecutor(SCORERS) as pool, Progress(images, "scoring", every=max(1, images // 10)) as bar:
        start = time.perf_counter()
        results = pool.map(
            lambda index: evaluate_image(*pairs[index % len(pairs)], surface_thresholds=1), range(images)
        )
        for index, result in enumerate(results):
            scores.add(str(index), result)
            bar.update()
        seconds = time.perf_counter() - start
    return seconds, scores.summary()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = module_parser("benchmarks.test_set", __doc__, EXPLANATION)
    parser.add_argument("--images", type=int, default=KHANHHA, help=f"unset: {KHANHHA}, as khanhha's test set")
    parser.add_argument("--side", type=int, default=448, help="in pixels (unset: 448)")
    args = parser.parse_args(arguments)
    if args.images < 1 or args.side < 64:
        raise UserError("give --images 1 or more and --side 64 or more")
    keep_freed_memory()
    seconds, summary = score_all(args.images, args.side)
    rate = args.images / seconds
    print(f"{args.images} images {args.side}x{args.side}: {seconds:.0f} s, {rate:.1f}/s on {SCORERS} threads")
    print(f"(IoU_max {summary['iou_max']:.3f}, HD95 {summary['hd95']:.1f} px of drawn predictions)")


if __name__ == "__main__":
    run_main(main)
