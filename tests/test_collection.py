"""No folder of tests is passed by: pytest does not look into folders of some names, such as "build"."""

from __future__ import annotations

from fnmatch import fnmatch

import pytest

from tests.helpers.runs import ROOT


def test_every_folder_of_tests_is_looked_into(pytestconfig: pytest.Config) -> None:
    folders = {path.parent for path in (ROOT / "tests").rglob("test_*.py")}
    names = {part for folder in folders for part in folder.relative_to(ROOT).parts}
    passed_by = pytestconfig.getini("norecursedirs")
    assert {"build", "engine"} <= names
    assert [name for name in names if any(fnmatch(name, pattern) for pattern in passed_by)] == []
