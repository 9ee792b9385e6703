"""Weights & Biases (W&B), beside the local log; which only this file and wandb_files import.

It never prompts, never blocks for long and is never fatal. Without a key, or when the server cannot
be reached within ``INIT_TIMEOUT`` seconds, the run is recorded offline. Any exception of wandb is
reported in one line and W&B is off from then on: the local files go on.
"""

from __future__ import annotations

import functools
import glob
import netrc
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np

from contracts.errors import lookup
from tracking.keys import STEP

INIT_TIMEOUT = 15.0
FINISH_TIMEOUT = 60.0
MODES = {
    "auto": "auto",
    "online": "online",
    "run": "online",
    "offline": "offline",
    "dryrun": "offline",
    "disabled": "disabled",
}


@dataclass(frozen=True)
class WandbSettings:
    """The ``wandb`` section of the options.

    Attributes:
        mode: ``auto`` (online with a key, else offline), ``online``, ``offline`` or ``disabled``; the environment
            variable WANDB_MODE overrides it.
        project: the W&B project.
        entity: the user or team that it belongs to, None for the default of the key.
        group: sorts runs in the project.
        tags: likewise.
    """

    mode: Literal["auto", "online", "offline", "disabled"] = "auto"
    project: str = "crack-csbsr"
    entity: str | None = None
    group: str | None = None
    tags: tuple[str, ...] = ()


def _in_netrc(hosts: Sequence[str]) -> bool:
    """Tell whether the netrc file holds a password for one of the hosts; a broken file holds none."""
    paths = [os.environ.get("NETRC"), "~/.netrc", "~/_netrc"]
    for path in (Path(path).expanduser() for path in paths if path):
        try:
            if any(netrc.netrc(path).hosts.get(host) for host in hosts):
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return False


def has_key() -> bool:
    """Tell whether W&B credentials are at hand: environment, W&B settings file or netrc."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    import wandb

    settings = wandb.setup(settings=_settings(wandb)).settings
    hosts = [urlsplit(settings.base_url).hostname or "", "api.wandb.ai"]
    return bool(settings.api_key) or _in_netrc(hosts)


def effective_mode(mode: str) -> str:
    """Return ``online``, ``offline`` or ``disabled``; prints one line if online lacks a key.

    WANDB_MODE overrides ``mode``. ArgumentError for any other name.
    """
    requested = lookup(MODES, os.environ.get("WANDB_MODE") or mode, "W&B mode")
    if requested in ("disabled", "offline"):
        return requested
    try:
        key_found, reason = has_key(), "no key found"
    except Exception as error:  # a broken wandb must not stop the run; the sink reports it again if so
        key_found, reason = False, _one_line(error)
    if requested == "online" and not key_found:
        print(f"W&B: {reason}, recording offline (to go online: `wandb login`)", flush=True)
    return "online" if key_found else "offline"


def _one_line(error: BaseException) -> str:
    """Return an exception's type and message on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _settings(wandb: Any, **more: Any) -> Any:
    """Return wandb.Settings: silent console, short waits; fields that this version lacks are left out."""
    settings = {
        "silent": True,
        "console": "off",
        "disable_git": True,
        "symlink": False,  # kept files stay what they were when results are made anew
        "init_timeout": INIT_TIMEOUT,
        "finish_timeout": FINISH_TIMEOUT,
    } | more
    fields = getattr(wandb.Settings, "model_fields", settings)
    return wandb.Settings(**{name: value for name, value in settings.items() if name in fields})


def guarded(method: Callable[..., None]) -> Callable[..., None]:
    """Make a sink method do nothing once W&B is off, and switch W&B off at the first exception."""

    @functools.wraps(method)
    def call(self: WandbSink, *args: Any) -> None:
        if self.run is None:
            return
        try:
            method(self, *args)
        except Exception as error:
            self.run = None
            print(f"W&B: off for the rest of this run ({_one_line(error)}); local files go on", flush=True)

    return call


class WandbSink:
    """One W&B run; a run resumed with the same ``run_id`` stays one run.

    The horizontal axis of every chart is the key ``step``.

    Args:
        folder: W&B files go under ``folder/wandb``.
        settings: the ``wandb`` section of the options.
        name: what the run is called.
        run_id: of the run to start or to go on with.
        config: everything W&B shows as the run's configuration.
    """

    def __init__(self, folder: Path, settings: WandbSettings, name: str, run_id: str, config: dict) -> None:
        self.folder, self.run_id = folder, run_id
        self.run: Any = None
        self.mode = effective_mode(settings.mode)
        if self.mode != "disabled":
            self._start(settings, name, config)

    def _start(self, settings: WandbSettings, name: str, config: dict) -> None:
        """Start the run; from online fall back to offline, from offline to nothing."""
        (self.folder / "wandb").mkdir(parents=True, exist_ok=True)
        try:
            self.run = self._init(settings, name, config)
        except Exception as error:
            if self.mode == "offline":
                print(f"W&B: off for this run ({_one_line(error)}); local files go on", flush=True)
                return
            print(f"W&B: cannot go online ({_one_line(error)}); recording offline", flush=True)
            self.mode = "offline"
            self._start(settings, name, config)
            return
        destination = self.run.url if self.mode == "online" else f"recording offline in {self.folder / 'wandb'}"
        print(f"W&B: {destination}", flush=True)

    def _init(self, settings: WandbSettings, name: str, config: dict) -> Any:
        """Return a started wandb run. After a failure wandb keeps the run id taken until its teardown."""
        import wandb

        try:
            wandb.setup(settings=_settings(wandb))
            run = wandb.init(
                mode=self.mode,  # type: ignore[arg-type]
                dir=str(self.folder),
                project=settings.project,
                entity=settings.entity,
                group=settings.group,
                tags=list(settings.tags),
                name=name,
                id=self.run_id,
                resume="allow",
                config=config,
                allow_val_change=True,
                settings=_settings(wandb),
            )
            run.define_metric(STEP)
            run.define_metric("*", step_metric=STEP)
        except Exception:
            wandb.teardown()
            raise
        return run

    def _write(self, payload: Mapping[str, Any], step: int) -> None:
        """Log one row at ``step``.

        W&B drops rows behind its own counter, so that one follows ``step`` where it can and counts on
        where it cannot: on a second row of a step, or when a resumed run repeats steps sent before.
        """
        self.run.log({**payload, STEP: step}, step=max(step, self.run.step), commit=True)

    @guarded
    def log(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers.

        Args:
            values: by key.
            step: of the training.
        """
        self._write(values, step)

    @guarded
    def images(self, images: Mapping[str, Path | np.ndarray], step: int) -> None:
        """Log pictures.

        Args:
            images: by key, PNG files, which need not be encoded again, or uint8 RGB [H,W,3].
            step: of the training.
        """
        import wandb

        self._write(
            {key: wandb.Image(str(image) if isinstance(image, Path) else image) for key, image in images.items()}, step
        )

    @guarded
    def table(self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], step: int) -> None:
        """Log a table.

        Args:
            key: of the table.
            columns: their names.
            rows: a value for each column, None where it is absent.
            step: of the training.
        """
        import wandb

        table = wandb.Table(columns=list(columns), data=[list(row) for row in rows], allow_mixed_types=True)
        self._write({key: table}, step)

    @guarded
    def files(self, paths: Sequence[Path]) -> None:
        """Keep copies of files with the run, by their names."""
        for path in paths:
            self.run.save(glob.escape(str(path)), base_path=str(path.parent), policy="now")

    @guarded
    def summary(self, values: Mapping[str, Any]) -> None:
        """Set values of the run's summary."""
        self.run.summary.update(dict(values))

    @guarded
    def finish(self) -> None:
        """End the run; offline, print the command that uploads all its sessions."""
        self.run.finish()
        self.run = None
        if self.mode == "offline":
            pattern = self.folder / "wandb" / f"offline-run-*-{self.run_id}"
            print(f"W&B: to upload this run: wandb sync {pattern}", flush=True)
