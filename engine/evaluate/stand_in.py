"""The test set of shipped weights on a machine that lacks their photographs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from engine.options import Drawn, Folder, Options
from engine.options.load import load_options
from engine.runtime.shipped import is_shipped

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = Path("options") / "joint.yml"


def with_test_set(options: Options, weights: Path, changes: Iterable[str] = ()) -> tuple[Options, str | None]:
    """The options kept in shipped weights, with drawn photographs to test on where theirs are not on this machine.

    Args:
        options: kept in the weights.
        weights: their path; the options of weights that are not shipped are left alone.
        changes: of ``--force_yml``; a test set that the user named is left alone, too.

    Returns:
        The options, with the test set of ``STAND_IN`` where theirs is lacking, and what is to be said of that; None
        where nothing was changed.
    """
    named = any(change.startswith(("datasets:test", "datasets=")) for change in changes)
    lacking = None if named or not is_shipped(weights) else _lacking(options.datasets.test)
    if lacking is None:
        return options, None
    drawn = load_options(ROOT / STAND_IN).datasets.test
    message = (
        f"datasets.test: {lacking}; these scores are of the drawn test set of {STAND_IN} instead "
        "(your own: --force_yml datasets:test:type=folder datasets:test:root=DIR)"
    )
    datasets = options.datasets.model_copy(update={"test": drawn})
    return options.model_copy(update={"datasets": datasets}), message


def _lacking(dataset: Drawn | Folder | None) -> str | None:
    """What of a test set is not on this machine, None if it is all there."""
    if dataset is None:
        return "the options of these weights name no photographs to test on"
    if isinstance(dataset, Folder):
        if not Path(dataset.root).is_dir():
            return f"{dataset.root}, which the options of these weights test on, is not on this machine"
        for path in [dataset.lists] if isinstance(dataset.lists, str) else dataset.lists or []:
            if not Path(path).is_file() and not (Path(dataset.root) / path).is_file():
                return f"the list {path}, which the options of these weights test on, is not on this machine"
    if dataset.frozen is not None and not Path(dataset.frozen).is_dir():
        return f"the frozen set {dataset.frozen}, which the options of these weights test on, is not on this machine"
    return None
