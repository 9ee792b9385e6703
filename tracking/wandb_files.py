"""Files of finished W&B runs, fetched to be read as those of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from contracts.errors import UserError

PREFIX = "wandb:"


def fetch_files(run: str, names: Sequence[str], folder: Path) -> None:
    """Download files of a run that the tracker kept there.

    Args:
        run: ENTITY/PROJECT/RUN_ID, as the run's page shows it.
        names: of the files.
        folder: to put them into.

    Raises:
        UserError: without a key, a connection, the run, or the files.
    """
    import wandb

    try:
        api = wandb.Api()
        found = api.run(run)
        for name in names:
            found.file(name).download(root=str(folder), replace=True)
    except Exception as error:  # wandb has many, of its own and of the network
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise UserError(
            f"{PREFIX}{run}: its results cannot be fetched ({reason}); give ENTITY/PROJECT/RUN_ID of an evaluated run, "
            "log in by `wandb login`, or give its folder"
        ) from None
