"""The check of a GPU, rehearsed on the CPU: what fails is told, and never stops the rest."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from contracts.errors import UserError
from models.seg import SEG_NETWORKS
from models.sr import SR_NETWORKS
from models.whole import WHOLE_NETWORKS
from tests.helpers.folders import contents
from tests.helpers.processes import finish, start
from tests.helpers.runs import ROOT, assert_error
from tools.gpu_check import pieces
from tools.gpu_check.__main__ import check, main, parse
from tools.gpu_check.cases import GROUPS, squares
from tools.gpu_check.commands import distance
from tools.gpu_check.compare import Outputs, Subject, differences, in_bfloat16
from tools.gpu_check.findings import FAILED, OK, SKIPPED, Failed, Figure, Finding, judged
from tools.gpu_check.pieces import MARK
from tools.gpu_check.processes import CutOff, Ended, environment, run
from tools.gpu_check.setting import Setting

CPU = torch.device("cpu")
COMMAND = ("-m", "tools.gpu_check", "--device", "cpu")


def report(folder: Path) -> dict[str, dict]:
    """The findings of a report by name; every one of them has a row in the table for readers."""
    findings = json.loads((folder / "gpu_check.json").read_text())["findings"]
    rows = (folder / "report.md").read_text().splitlines()
    assert [f"| {finding['state']} | {finding['name']} |" for finding in findings] == [
        "|".join(row.split("|")[:3]) + "|" for row in rows if row.startswith("| ") and not row.startswith("| state")
    ]
    return {finding["name"]: finding for finding in findings}


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checkout, from any folder."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


# -- the whole, in another process ----------------------------------------------------------------


@pytest.mark.slow
def test_a_rehearsal_passes(tmp_path: Path) -> None:
    outcome = finish(start(*COMMAND, "--only", "train", "losses", cwd=tmp_path))
    findings = report(tmp_path / "experiments" / "gpu_check")
    assert outcome.code == 0, outcome
    assert {"train", *GROUPS["losses"]} == set(findings) and {finding["state"] for finding in findings.values()} == {OK}
    assert f"{len(findings)} ok, 0 FAILED, 0 skipped in 0:" in outcome.out.splitlines()[-1]


@pytest.mark.slow
def test_what_fails_is_told_and_does_not_stop_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "nonsense")
    assert main(["--device", "cpu", "--out", str(tmp_path / "out"), "--only", "train", "evaluate", "speed"]) == 1
    findings = report(tmp_path / "out")
    states = {name: finding["state"] for name, finding in findings.items()}
    assert [*states.items()] == [("train", FAILED), ("evaluate", SKIPPED), ("speed", OK)]
    assert findings["train"]["told"].startswith("exit code 2: error: unknown W&B mode 'nonsense'")
    assert "no weights of the check 'train'" in findings["evaluate"]["told"]


def test_without_a_gpu_it_says_what_to_do(tmp_path: Path) -> None:
    outcome = finish(start("-m", "tools.gpu_check", cwd=tmp_path))
    assert_error(outcome, "no CUDA device; --device cpu tries the script itself")
    assert contents(tmp_path) == {}


# -- what is compared -----------------------------------------------------------------------------


def test_every_network_is_tried() -> None:
    named = [
        f"{kind} {name}"
        for kind, table in (("sr", SR_NETWORKS), ("seg", SEG_NETWORKS), ("whole", WHOLE_NETWORKS))
        for name in table
    ]
    assert set(named) <= set(GROUPS["networks"])


class Rounds(nn.Module):
    """A convolution that keeps ``bits`` of the mantissa where the compared device computes, as TF32 keeps 10."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.step = 2 ** (23 - bits)
        self.weight = nn.Parameter(torch.randn(8, 8, 3, 3, generator=torch.Generator().manual_seed(0)))

    def forward(self, x: Tensor) -> Tensor:
        if not torch.backends.mkldnn.enabled and x.dtype == torch.float32:
            kept = (x.detach().view(torch.int32) // self.step * self.step).view(torch.float32)
            x = x + (kept - x.detach())
        return functional.conv2d(x, self.weight)


def outputs(network: nn.Module, x: Tensor) -> tuple[Outputs, Tensor]:
    return squares({"out": network(x)})


def subject(network: nn.Module) -> Subject:
    return Subject(network, torch.randn(2, 8, 12, 12, generator=torch.Generator().manual_seed(1)), outputs)


@pytest.mark.parametrize(("bits", "within"), [(23, True), (10, False)])
def test_too_few_bits_are_found(bits: int, within: bool) -> None:
    figures = differences(subject(Rounds(bits)), CPU)
    assert [figure.what for figure in figures] == ["out off by", "gradient off by", "in float64"]
    assert figures[0].within is figures[1].within is within and figures[2].within


def test_rounding_alone_exceeds_a_limit_of_nothing() -> None:
    figures = differences(Subject(nn.Conv2d(8, 8, 3), subject(Rounds(23)).inputs, outputs, floor=0.0), CPU, factor=0.0)
    assert not figures[0].within and 0 < figures[0].value < 1e-5
    assert judged("x", 1.0, figures).state == FAILED


class Returns(nn.Module):
    """Its weight times the input, in another type or not finite."""

    def __init__(self, dtype: torch.dtype, weight: float) -> None:
        super().__init__()
        self.weight, self.dtype = nn.Parameter(torch.tensor(weight)), dtype

    def forward(self, x: Tensor) -> Tensor:
        return (self.weight * x).to(self.dtype)


@pytest.mark.parametrize(
    ("dtype", "weight", "message"),
    [(torch.bfloat16, 1.0, "out is torch.bfloat16, not float32"), (torch.float32, 1e39, "out is not finite")],
)
def test_what_autocast_may_not_give(dtype: torch.dtype, weight: float, message: str) -> None:
    with pytest.raises(Failed, match=message):
        in_bfloat16(subject(Returns(dtype, weight)), CPU)
    assert in_bfloat16(subject(Returns(torch.float32, 1.0)), CPU) == Figure("bfloat16 off by", 0.0)


def test_states_are_compared_tensor_by_tensor() -> None:
    one = {"a": torch.tensor([3.0, 4.0]), "more": [{"b": torch.tensor(0.0)}, 7]}
    other = {"more": [{"b": torch.tensor(0.0)}, 7], "a": torch.tensor([3.0, 4.5])}
    assert distance(one, one) == (0.0, 0.0)
    assert distance(other, one) == pytest.approx((0.1, 0.5))


# -- processes ------------------------------------------------------------------------------------


def test_a_command_is_cut_off_with_all_that_it_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = (
        "import pathlib, subprocess, sys, time\nwaits = [sys.executable, '-c', 'import time; time.sleep(100)']\n"
        f"pathlib.Path({str(pid)!r}).write_text(str(subprocess.Popen(waits).pid))\ntime.sleep(100)"
    )
    with pytest.raises(CutOff):
        run(["-c", script], tmp_path / "logs" / "a.txt", CPU, time.monotonic() + 2)
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid.read_text()}/stat").exists():
        if "Z" in Path(f"/proc/{pid.read_text()}/stat").read_text().rpartition(")")[2].split()[0]:
            break
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Dies(Setting):
    """Calls, instead of the pieces' process, one that tells of the first and dies in the second of those left to it."""

    def call(self, log: str, *command: object, **how: object) -> Ended:
        first, *others = command[command.index("losses") + 1 :]
        line = MARK + json.dumps({"name": first, "state": OK, "seconds": 0.1, "figures": [], "told": ""})
        script = f"import os; print({line!r}, flush=True); os.kill(os.getpid(), 11 if {bool(others)} else 0)"
        return super().call(log, "-c", script, **how)


def test_a_piece_that_brings_its_process_down_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(GROUPS, "losses", dict.fromkeys("abcde"))
    findings: list[Finding] = []
    pieces.compare_pieces(Dies(CPU, tmp_path, time.monotonic() + 60, findings.append), "losses")
    assert [(finding.name, finding.state) for finding in findings] == [
        ("a", OK),
        ("b", FAILED),
        ("c", OK),
        ("d", FAILED),
        ("e", OK),
    ]
    assert findings[1].told.startswith("its process ended with -11")


@pytest.mark.parametrize(("share", "state", "message"), [(0.5, FAILED, "its time"), (60, SKIPPED, "all time")])
def test_a_check_without_time_is_cut_off(share: float, state: str, message: str, tmp_path: Path) -> None:
    findings: list[Finding] = []
    check("losses", Setting(CPU, tmp_path, time.monotonic() + 0.5, findings.append), share)
    assert [(finding.name, finding.state) for finding in findings] == [("losses", state)]
    others = len(GROUPS["losses"]) - 1
    assert findings[0].told == f"cut off in loss boundary_combo, with {others} more to come: {message} was up"


# -- folder and command line ----------------------------------------------------------------------


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--device", "cpu", "--out", str(tmp_path / "out"), "--minutes", "0.01"]
    assert main(arguments) == 0
    before = contents(tmp_path / "out")
    assert {finding["told"] for finding in report(tmp_path / "out").values()} == {"the 0.01 minutes are over"}
    assert main(arguments) == 0
    (moved,) = set(tmp_path.iterdir()) - {tmp_path / "out"}
    assert contents(moved) == before and f"moved the earlier report to {moved}" in capsys.readouterr().out
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.png").touch()
    with pytest.raises(UserError, match="holds something else than a report"):
        main([*arguments, "--out", str(tmp_path / "mine")])


@pytest.mark.parametrize(
    ("wrong", "message"), [(["--only", "trian"], "did you mean 'train'"), (["--minutes", "0"], "--minutes 0.0")]
)
def test_wrong_calls_are_refused(wrong: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse(["--device", "cpu", *wrong])


def test_what_is_not_a_number_keeps_no_limit() -> None:
    assert not Figure("x", float("nan"), 1.0).within and Figure("x", float("nan")).within
    assert judged("x", 0.0, [Figure("x", 1.0, 1.0)]).state == OK


def test_stopped_in_its_first_check_it_takes_its_folder_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tools.gpu_check.__main__.check", stopped)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            main(["--device", "cpu", "--out", str(tmp_path / "report"), "--only", "losses"])


def test_commands_find_packages_where_this_process_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    assert environment(torch.device("cpu"))["PYTHONPATH"] == os.pathsep.join((str(ROOT), "elsewhere"))
