"""What all tests share: thread count, a quiet wandb, the place of the optional shared folder."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import hypothesis
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported, which reads it once
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("WANDB_SILENT", "true")

from tests.helpers.runs import ROOT

# A busy machine must not fail a test: no time limit for single examples.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of fixtures and real photographs beside the checkout; skips where it is absent."""
    folder = Path(os.environ.get("CRACK_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no folder {folder.name} beside the checkout (full fixtures and real photographs)")
    return folder


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of the smallest experiment after one step, to be read only."""
    from tests.helpers.runs import TRAIN, run_well

    folder = tmp_path_factory.mktemp("tiny")
    run_well(*TRAIN, "train:total_iter=1", cwd=folder)
    return folder / "experiments" / "tiny" / "models" / "latest.pth"


@pytest.fixture(scope="session")
def tiny_folder(tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those weights as they would be shipped, under the name that is taken by default, to be read only."""
    from engine.runtime import shipped
    from tools.ship.__main__ import ship

    with mock.patch.object(shipped, "WEIGHTS", tmp_path_factory.mktemp("shipped") / "weights"):
        return ship(tiny_weights, shipped.DEFAULT)


@pytest.fixture
def shipped_weights(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with which those are shipped, and no others."""
    monkeypatch.setattr("engine.runtime.shipped.WEIGHTS", tiny_folder.parent)
    return tiny_folder
