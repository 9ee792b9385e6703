"""The tracker of a run as its options ask for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.options import Options
from tracking.tracker import Tracker
from tracking.wandb_sink import WandbSettings


def start_tracker(
    options: Options, folder: Path, run_id: str | None, meta: dict[str, Any], last_step: int | None = None
) -> Tracker:
    """Track the run of these options in ``folder`` and, as its section ``wandb`` says, in W&B.

    Args:
        options: of the experiment.
        folder: of the local files.
        run_id: of the run to go on with; None: a new one.
        meta: facts kept with the options.
        last_step: see ``Tracker``.
    """
    chosen = options.wandb
    settings = WandbSettings(
        mode=chosen.mode, project=chosen.project, entity=chosen.entity, group=chosen.group, tags=tuple(chosen.tags)
    )
    return Tracker(
        folder, options.model_dump(mode="json"), settings, options.name, run_id=run_id, meta=meta, last_step=last_step
    )
