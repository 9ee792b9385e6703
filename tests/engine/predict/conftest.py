"""What the tests of batches share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.folders import write_photographs


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A working folder with four photographs in mine/images."""
    write_photographs(tmp_path / "mine", {"a": (40, 48), "b": (33, 50), "c": (64, 32), "d": (36, 36)})
    return tmp_path
