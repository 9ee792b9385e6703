"""The README's commands: scripts and options files exist, flags are known, CI runs its test command."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from engine.options.load import load_options
from tests.helpers.runs import ROOT

FENCED = re.compile(r"^```\n(.*?)^```", re.DOTALL | re.MULTILINE)


PAGES = ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]


def commands(root: Path, page: str = "README.md") -> list[str]:
    blocks = FENCED.findall((root / page).read_text(encoding="utf-8").replace("\\\n", " "))
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [part.strip() for line in lines for part in line.split("&&") if part.strip().startswith("python ")]


def test_scripts_and_options_files_of_the_readme_exist(root: Path) -> None:
    shown = commands(root)
    assert any("train_joint.py -opt options/joint.yml" in command for command in shown)
    assert any("evaluate.py --degraded" in command for command in shown)
    for command in shown:
        words = command.split()
        if words[1].endswith(".py"):
            assert (root / words[1]).is_file(), command
        if "-opt" in words:
            load_options(root / words[words.index("-opt") + 1])


@pytest.mark.parametrize("page", PAGES)
def test_what_commands_of_a_page_name_exists(root: Path, page: str) -> None:
    for command in commands(root, page):
        words = command.split()
        if words[1] == "-m":
            assert importlib.util.find_spec(words[2]) is not None, command
        elif words[1].endswith(".py") and "/" not in words[1]:
            assert (root / words[1]).is_file(), command
        named = [word for word in words if word.startswith("options/") and "$" not in word and word.endswith(".yml")]
        for name in named:
            load_options(root / name)


@pytest.mark.parametrize("script", ["train_joint.py", "evaluate.py", "predict.py", "compare.py"])
def test_flags_of_the_pages_are_known_to_the_scripts(root: Path, script: str) -> None:
    done = subprocess.run([sys.executable, script, "--help"], cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    for command in (one for page in PAGES for one in commands(root, page)):
        if script in command:
            for flag in re.findall(r"\s(--?[a-z_]+)", command):
                assert flag in done.stdout, f"{flag} of '{command}'"


def test_every_page_is_in_the_readmes_list_and_its_links_lead_somewhere(root: Path) -> None:
    for page in PAGES:
        text = (root / page).read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (root / page).parent.joinpath(link).exists(), f"{page}: {link}"
        assert page == "README.md" or f"]({page})" in (root / "README.md").read_text(encoding="utf-8"), page


def test_the_front_page_is_read_in_two_minutes(root: Path) -> None:
    assert len((root / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_ci_runs_the_test_command_of_the_readme(root: Path) -> None:
    command = "pip install -r requirements.txt && python -m pytest"
    assert re.search(rf"^{re.escape(command)}$", (root / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    pattern = re.search(r"grep -m1 -E '(.*)' README.md", (root / ".ci" / "run").read_text(encoding="utf-8"))
    assert pattern and re.match(pattern.group(1), command)


def test_from_python(root: Path, tmp_path: Path) -> None:
    """The block as it stands, in a folder with a photograph, as after ``pip install -e .``."""
    (block,) = re.findall(r"```python\n(.*?)```", (root / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(block.splitlines()) <= 5
    Image.new("RGB", (60, 40), (120, 120, 120)).save(tmp_path / "photo.jpg")
    script = f"{block}print(found.mask.shape, found.restored.shape, found.how)"
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "(40, 60) (160, 240, 3) restored x4"


def test_what_is_installed_is_said_once(root: Path) -> None:
    """requirements.txt sets up the whole project, ``pip install .`` what running needs: the same packages."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    running, _, testing = (root / "requirements.txt").read_text(encoding="utf-8").partition("# [dev]")
    for packages, text in ((project["dependencies"], running), (project["optional-dependencies"]["dev"], testing)):
        assert packages == [line for line in text.splitlines()[1:] if line and not line.startswith("#")]
