"""What the scripts' own help says can be typed: every example is taken by the parser, its options are valid."""

from __future__ import annotations

import re
import runpy
import shlex
import sys

import pytest

from engine.options.load import load_options
from tests.helpers.runs import ROOT

SCRIPTS = sorted(path.name for path in ROOT.glob("*.py"))


def examples() -> list[tuple[str, list[str]]]:
    """(script, arguments) of every line of a script's docstring that calls one."""
    calls = []
    for script in SCRIPTS:
        for line in (ROOT / script).read_text(encoding="utf-8").partition('"""')[2].partition('"""')[0].splitlines():
            if re.match(r"(python|torchrun) ", line):
                words = shlex.split(line.partition("   ")[0])  # what follows wide space says what it does
                script_at = next(index for index, word in enumerate(words) if word.endswith(".py"))
                calls.append((words[script_at], words[script_at + 1 :]))
    return calls


def test_every_script_shows_examples() -> None:
    assert {script for script, _ in examples()} == set(SCRIPTS)


@pytest.mark.parametrize(("script", "arguments"), examples())
def test_an_example_of_the_help_can_be_typed(
    script: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [script, *arguments])
    monkeypatch.chdir(ROOT)
    chosen = runpy.run_path(str(ROOT / script))["parse"]()
    if getattr(chosen, "opt", None) is not None:
        load_options(chosen.opt, getattr(chosen, "force_yml", []))


def test_paths_of_the_command_line_know_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    lines = {
        "predict.py": "~/a.jpg -o=~/out --weights=~/w.pth -opt=~/o.yml --rle=~/r.csv --coco=~/c.json --yolo=~/l",
        "evaluate.py": "--out=~/out --weights=~/w.pth -opt=~/o.yml",
        "train_joint.py": "-opt=~/o.yml",
    }
    for script, line in lines.items():
        monkeypatch.setattr(sys, "argv", [script, *line.split()])
        chosen = vars(runpy.run_path(str(ROOT / script))["parse"]())
        texts = [str(one) for value in chosen.values() for one in (value if isinstance(value, list) else [value])]
        paths = [text for text in texts if "~" in text or "someone" in text]
        assert len(paths) == line.count("~") and all(text.startswith("/home/someone/") for text in paths)
