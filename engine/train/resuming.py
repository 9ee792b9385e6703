"""Whether a training may go on from its saved state: with these options, and these photographs."""

from __future__ import annotations

import torch

from contracts.errors import UserError
from data.catalogue import Catalogue, catalogue, difference
from data.protocol import Source
from data.sources import fingerprint
from engine.options import Options
from engine.options.load import parse_options
from engine.options.renamed import of_today
from engine.runtime.experiment import Experiment
from engine.runtime.precision import choose
from engine.train.stages import passed_stages, stage_lengths
from engine.train.state import TrainingState

MAY_CHANGE = (  # where photographs lie may change, too: their names and contents decide
    "train.total_iter",
    "wandb",
    "logger",
    "evaluation",
    "path",
    "datasets.test",
    "datasets.train.root",
    "datasets.train.lists",
    "datasets.train.labels.file",
    "datasets.val.root",
    "datasets.val.lists",
    "datasets.train.loader.workers",
    "datasets.train.loader.cache_mb",
    "train.compile",
    "train.gradient_checkpointing",
    "train.optimizer.fused",
    "train.precision",
)


def check_options(options: Options, state: TrainingState, experiment: Experiment) -> list[int]:
    """A run is resumed with the options it was started with; only lengths, reports and speed may change.

    Options that came into being since then count as their defaults.

    Args:
        options: of today.
        state: of the run to resume.
        experiment: its folder.

    Returns:
        The lengths of the stages that it has passed.

    Raises:
        UserError: naming the first other option that differs.
    """
    before = parse_options(of_today(state.options), str(experiment.state))
    differences = _differences(before.model_dump(mode="json"), options.model_dump(mode="json"))
    changed = sorted({path for path in differences if not path.startswith(MAY_CHANGE)})
    if changed:
        raise UserError(
            f"--auto_resume: {experiment.folder} was trained with another {changed[0]}"
            + (f" (and {len(changed) - 1} more)" if len(changed) > 1 else "")
            + "; use the same options, or another name"
        )
    lengths = state.lengths or stage_lengths(before.train.stages, before.train.total_iter)
    return passed_stages(lengths, state.step)


def precision_before(state: TrainingState, device: torch.device) -> str:
    """The name of the precision that a training had when its state was saved.

    States of earlier versions do not tell; there, "auto" was bfloat16 on GPUs alone.

    Args:
        state: of the training.
        device: of today.
    """
    name = state.meta.get("precision")
    if name is not None:
        return name
    asked = state.options["train"].get("precision", "auto")
    return "float32" if asked == "auto" and device.type == "cpu" else choose(asked, device).name


def photographs_of(
    sources: tuple[Source, Source | None], state: TrainingState | None, experiment: Experiment
) -> dict[str, Catalogue]:
    """Today's photographs, which have to be those that a resumed run was begun with.

    Args:
        sources: photographs to train on, and to validate with or None.
        state: of the run to resume; None: it begins.
        experiment: its folder.

    Returns:
        What is kept of them in the state, under "train" and "val".

    Raises:
        UserError: naming what differs.
    """
    named = zip(("train", "val"), sources, strict=True)
    now = {name: catalogue(source) for name, source in named if source is not None}
    if state is None:
        return now
    before = state.photographs
    if before is None:  # a state of an earlier version, which tells that they differ, not in what
        same = state.meta.get("data") in (None, fingerprint(sources[0]))
        differing = {} if same else {"train": f"{len(now['train'])} now; the state is too old to say more"}
    else:
        differences = {name: difference(before.get(name, {}), now.get(name, {})) for name in ("train", "val")}
        differing = {name: words for name, words in differences.items() if words is not None}
    for name, words in differing.items():
        purpose = {"train": "trained on", "val": "validated with"}[name]
        raise UserError(
            f"--auto_resume: {experiment.folder} was {purpose} other photographs ({words}); put those back, or begin a "
            "new training under another name"
        )
    return now


def _differences(old: object, new: object, path: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        below = ((key, f"{path}.{key}".lstrip(".")) for key in {**old, **new})
        return [
            difference
            for key, path_below in below
            for difference in _differences(old.get(key), new.get(key), path_below)
        ]
    return [] if old == new else [path]
