"""The shape of the code: who may import whom, and what may not appear at all."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.helpers.runs import ROOT
from tests.helpers.source_files import ALLOWED, FILES, PACKAGES

SCRIPTS = {path.stem for path in ROOT.glob("*.py")}
SCRIPT_MAY = {"comparison", "contracts", "engine"}
DEVICES = ("cuda", "mps", "xpu")
LONGEST_FILE, LONGEST_FUNCTION = 300, 60


def name_of(path: Path) -> str:
    """The module's dotted name; a package is named by its folder."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names of everything imported; from-imports once as module and once with each name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_within(name: str, place: str) -> bool:
    return name == place or name.startswith(place + ".")


def forbidden_edges(tree: ast.AST, module: str) -> list[str]:
    package = module.split(".")[0]
    if package not in ALLOWED and package not in SCRIPTS:
        return []  # tools may import everything
    allowed = ALLOWED.get(package, SCRIPT_MAY) | {package}
    ours = [name for name in imports(tree) if name.split(".")[0] in PACKAGES | SCRIPTS]
    modules = [name for name in ours if not any(is_within(name, place) for place in allowed)]
    return [name for name in modules if not any(is_within(place, name) for place in allowed if "." in place)]


def unwanted_syntax(tree: ast.AST) -> list[str]:
    """Star imports, relative imports, eval and exec."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            found.append(f"line {node.lineno}: star import")
        if isinstance(node, ast.ImportFrom) and node.level:
            found.append(f"line {node.lineno}: relative import")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
            found.append(f"line {node.lineno}: {node.func.id}")
    return found


def device_literals(tree: ast.AST) -> list[str]:
    """Names of devices as strings, and methods such as .cuda()."""
    found = []
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        if text.split(":")[0] in DEVICES:
            found.append(f"line {node.lineno}: '{text}'")
        if isinstance(node, ast.Attribute) and node.attr in DEVICES:
            found.append(f"line {node.lineno}: .{node.attr}")
    return found


def imports_basicsr(tree: ast.AST) -> bool:
    """Whether basicsr is imported, also by a name put together in a string."""
    strings = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    by_name = any(isinstance(text, str) and text.startswith("basicsr.") for text in strings)
    return by_name or any(is_within(name, "basicsr") for name in imports(tree))


def long_functions(tree: ast.AST) -> list[str]:
    functions = (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    lengths = ((node.name, node.end_lineno - node.lineno + 1) for node in functions)
    return [f"{name}: {length} lines" for name, length in lengths if length > LONGEST_FUNCTION]


def faults(source: str, module: str) -> list[str]:
    """All that is wrong with one module."""
    tree = ast.parse(source)
    found = [f"imports {name}" for name in forbidden_edges(tree, module)]
    found += unwanted_syntax(tree) + long_functions(tree)
    if module.split(".")[0] != "engine" and module != "benchmarks.authors":  # whose work is to make "cuda" the CPU
        found += device_literals(tree)
    names = list(imports(tree))
    if module not in ("tracking.wandb_sink", "tracking.wandb_files") and any(
        is_within(name, "wandb") for name in names
    ):
        found.append("imports wandb")
    if module != "contracts.basicsr_shim" and imports_basicsr(tree) and "contracts.basicsr_shim" not in names:
        found.append("imports basicsr without contracts.basicsr_shim")
    if len(source.splitlines()) > LONGEST_FILE:
        found.append(f"{len(source.splitlines())} lines")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8"), name_of(path)) == []


def test_all_packages_are_looked_at() -> None:
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert found <= PACKAGES, "a new package: say in ALLOWED what it may import"
    assert {name for name in ALLOWED if not (ROOT / name / "__init__.py").is_file()} == set()


def rooms() -> dict[str, set[str]]:
    """Of each folder of ``engine`` the others that it imports."""
    imported: dict[str, set[str]] = {}
    for path in (ROOT / "engine").rglob("*.py"):
        room = path.relative_to(ROOT / "engine").parts[0].removesuffix(".py")
        names = imports(ast.parse(path.read_text(encoding="utf-8")))
        others = {name.split(".")[1] for name in names if name.startswith("engine.")}
        imported.setdefault(room, set()).update(others - {room})
    return imported


def test_rooms_of_the_engine() -> None:
    """What a change in one of them can reach: an arrow more is a decision, not an accident."""
    below = {"options", "runtime", "build"}
    assert rooms() == {
        "__init__": set(),
        "options": set(),
        "runtime": set(),
        "build": {"options", "runtime"},
        "evaluate": below,
        "train": {*below, "evaluate"},
        "export": {"runtime", "build"},
        "predict": {"runtime", "build", "export"},
        "serve": {"predict"},
        "mosaic": {"runtime", "predict"},
    }


def test_prediction_knows_nothing_of_training() -> None:
    """Nor does it load what draws, before a picture is wanted."""
    unwanted = ("engine.train", "engine.evaluate", "losses", "tracking", "lightning_fabric", "matplotlib", "kornia")
    script = f"import sys, engine.predict.run; print([n for n in {unwanted!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_module_shadows_the_standard_library() -> None:
    assert {path.stem for path in ROOT.glob("*.py")} & set(sys.stdlib_module_names) == set()
    assert PACKAGES & set(sys.stdlib_module_names) == set()


def test_no_cycles_between_modules() -> None:
    known = {name_of(path): path for path in FILES}
    graph = {}
    for name, path in known.items():
        targets = set(imports(ast.parse(path.read_text(encoding="utf-8"))))
        graph[name] = {target for target in targets if target in known and target != name}
    for name in known:  # a package's __init__ may import its own modules, which import through it
        graph[name] -= {name.rpartition(".")[0]}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


# -- the checks themselves ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("data.new", "import engine.build.models", "imports engine.build.models"),
        ("data.new", "from engine import build", "imports engine"),
        ("data.new", "from degradations.blur import blur", "imports degradations.blur"),
        ("losses.new", "from degradations.pipeline import Pipeline", "imports degradations.pipeline"),
        ("losses.new", "import degradations.noise", "imports degradations.noise"),
        ("contracts.new", "def f():\n    import data.images", "imports data.images"),
        ("metrics.new", "from tracking.keys import STEP", "imports tracking.keys"),
        ("engine.new", "import tools.freeze", "imports tools.freeze"),
        ("csbsr.new", "from tracking.tracker import Tracker", "imports tracking.tracker"),
        ("engine.new", "import csbsr", "imports csbsr"),
        ("train_joint", "from data.images import read_image", "imports data.images"),
        ("models.new", "from torch.nn import *", "line 1: star import"),
        ("models.new", "from . import joint", "line 1: relative import"),
        ("models.new", "x = eval('1')", "line 1: eval"),
        ("models.new", "x.cuda()", "line 1: .cuda"),
        ("models.new", "x.to('cuda:0')", "line 1: 'cuda:0'"),
        ("tools.new", "import torch\ntorch.cuda.is_available()", "line 2: .cuda"),
        ("engine.new", "import wandb", "imports wandb"),
        ("models.new", "import basicsr.archs", "imports basicsr without contracts.basicsr_shim"),
        ("models.new", "load(f'basicsr.archs.{x}')", "imports basicsr without contracts.basicsr_shim"),
        ("models.new", "def f():\n" + "    x = 1\n" * 60, "f: 61 lines"),
        ("models.new", "x = 1\n" * 301, "301 lines"),
    ],
)
def test_a_fault_is_found(module: str, source: str, fault: str) -> None:
    assert any(found == fault or found.startswith(fault + ".") for found in faults(source, module))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("losses.new", "from degradations.blur import blur\nfrom degradations import resize\nimport contracts.errors"),
        ("engine.new", "import torch\nx.to('cuda')\nmodel.eval()"),
        ("tools.new", "import engine.build.models, metrics.names"),
        ("csbsr.new", "from engine.build.models import build_model\nfrom models.sr import SR_NETWORKS"),
        ("train_joint", "from engine.train.run import train"),
        ("degradations.new", "import contracts.basicsr_shim\nfrom basicsr.utils import DiffJPEG"),
        ("tracking.wandb_sink", "import wandb"),
        ("models.new", '"""Runs on cuda: and elsewhere."""'),
    ],
)
def test_what_is_allowed_is_no_fault(module: str, source: str) -> None:
    assert faults(source, module) == []
