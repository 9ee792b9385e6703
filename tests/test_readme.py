"""The README's commands: scripts and options files exist, flags are known, CI runs its test command."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine.options.load import load_options

FENCED = re.compile(r"^```\n(.*?)^```", re.DOTALL | re.MULTILINE)


def commands(root: Path) -> list[str]:
    blocks = FENCED.findall((root / "README.md").read_text(encoding="utf-8"))
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [part.strip() for line in lines for part in line.split("&&") if part.strip().startswith("python ")]


def test_scripts_and_options_files_of_the_readme_exist(root: Path) -> None:
    found = commands(root)
    assert any("train_joint.py -opt options/joint.yml" in command for command in found)
    assert any("evaluate.py --degraded" in command for command in found)
    for command in found:
        words = command.split()
        if words[1].endswith(".py"):
            assert (root / words[1]).is_file(), command
        if "-opt" in words:
            load_options(root / words[words.index("-opt") + 1])


@pytest.mark.parametrize("script", ["train_joint.py", "evaluate.py", "predict.py"])
def test_flags_of_the_readme_are_known_to_the_scripts(root: Path, script: str) -> None:
    done = subprocess.run([sys.executable, script, "--help"], cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    for command in commands(root):
        if script in command:
            for flag in re.findall(r"\s(--?[a-z_]+)", command):
                assert flag in done.stdout, f"{flag} of '{command}'"


def test_ci_runs_the_test_command_of_the_readme(root: Path) -> None:
    command = "pip install -r requirements.txt && python -m pytest"
    assert re.search(rf"^{re.escape(command)}$", (root / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    pattern = re.search(r"grep -m1 -E '(.*)' README.md", (root / ".ci" / "run").read_text(encoding="utf-8"))
    assert pattern and re.match(pattern.group(1), command)
