"""What is given on the command line: files, folders, patterns."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import UserError
from engine.predict.inputs import photographs, told
from engine.predict.resume import stamped
from tests.helpers.photographs import save
from tests.helpers.processes import on_two_processes
from tests.helpers.runs import assert_error, run_here


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of folders, with what is no photograph among them."""
    save(tmp_path / "site", "a.png")
    save(tmp_path / "site" / "north", "b.jpg")
    save(tmp_path / "site" / "north" / "pier", "c.JPG")
    save(tmp_path / "site" / "north" / ".hidden", "d.jpg")
    (tmp_path / "site" / "north" / "notes.txt").write_text("no photograph")
    result = tmp_path / "site" / "a_mask.png"
    result.write_bytes(stamped((tmp_path / "site" / "a.png").read_bytes(), {}))
    return tmp_path / "site"


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("**/*", ["a.png", "north/b.jpg", "north/pier/c.JPG"]),
        ("*", ["a.png"]),
        ("no*/*", ["north/b.jpg"]),
        ("**/[bc].*", ["north/b.jpg", "north/pier/c.JPG"]),
    ],
)
def test_patterns(pattern: str, names: list[str], site: Path) -> None:
    assert photographs([site / pattern]) == [site / name for name in names]


def test_files_folders_and_patterns_together_each_once(site: Path) -> None:
    given = [site / "north" / "b.jpg", site, site / "**" / "*"]
    assert photographs(given) == [site / name for name in ("north/b.jpg", "a.png", "north/pier/c.JPG")]
    assert told(given) == [
        f"{site}: passed over 1 results of earlier predictions",
        f"{site}/**/*: passed over 1 results of earlier predictions",
    ]
    assert photographs([site / "a_mask.png"]) == [site / "a_mask.png"]  # named by itself it is wanted


def test_a_name_that_exists_is_no_pattern(tmp_path: Path) -> None:
    paths = [save(tmp_path / "x[1]", "a[b].png"), save(tmp_path, "ab.png")]
    assert photographs([paths[0]]) == [paths[0]] and photographs([paths[0].parent]) == [paths[0]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("**/*.tif", r"\*\*/\*\.tif' matches no photograph; correct the pattern"),
        ("a_*.png", "only results of earlier predictions"),
        ("absent.png", "no such file"),
    ],
)
def test_what_stands_for_nothing_is_told(given: str, message: str, site: Path) -> None:
    with pytest.raises(UserError, match=message):
        photographs([site / given])


@pytest.mark.slow
def test_a_bad_file_of_a_pattern_does_not_stop_the_others(site: Path, tiny_weights: Path) -> None:
    """Alone as on two processes, and run again no result becomes a photograph."""
    (site / "north" / "bad.jpg").write_bytes(b"no photograph")
    command = ["predict.py", "site/**/*", "-o", "site/out", "--restore", "never", "--weights", tiny_weights]
    for run, more in ((run_here, []), (on_two_processes, ["--overwrite"])):
        outcome = run(*command, *more, cwd=site.parent)
        assert outcome.code != 0 and "1 of 4 photographs left out: " in outcome.err and "bad.jpg" in outcome.err
        assert sorted(path.name for path in (site / "out").glob("*_mask.png")) == [
            "a_mask.png",
            "b_mask.png",
            "c_mask.png",
        ]
    assert_error(run_here(*command, cwd=site.parent), "a_mask.png exists")
