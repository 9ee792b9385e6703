"""One training of a name at a time: the second is refused, ended ones are recognised, and nothing is mixed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from contracts.errors import UserError
from engine.runtime.lock import NAME, Lock, Owner, alive, identity
from tests.helpers.folders import contents
from tests.helpers.processes import TORCHRUN, finish, start, wait_for
from tests.helpers.run_records import experiment, load, log_of
from tests.helpers.runs import RESUME, ROOT, TINY, TRAIN, assert_error, run_here, run_well, tiny, train_here

LONG = ["train:total_iter=100000", "logger:save_checkpoint_freq=2"]


def hold(folder: Path, **changed: object) -> Path:
    """A lock of this process, changed, in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    path.write_text(json.dumps({**vars(Owner.this()), **changed}))
    return path


def ended_process() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


# -- the lock -------------------------------------------------------------------------------------


def test_taken_once_and_given_back(tmp_path: Path) -> None:
    first, second = Lock(tmp_path), Lock(tmp_path)
    assert first.take() is None and first.take() is None
    owner = f"process {os.getpid()} on {socket.gethostname()} has been training it since"
    with pytest.raises(UserError, match=owner):
        second.take()
    second.release()  # not its own
    assert (tmp_path / NAME).is_file()
    first.release()
    assert list(tmp_path.iterdir()) == []
    assert second.take() is None


def test_the_lock_of_a_process_that_ended_is_taken_over(tmp_path: Path) -> None:
    pid = ended_process()
    path = hold(tmp_path, pid=pid, started="2026-01-02 03:04:05" + " " * 200)
    note = Lock(tmp_path).take()
    assert note is not None and f"process {pid}" in note and "2026-01-02 03:04:05" in note and "taking over" in note
    assert Owner(**json.loads(path.read_text())).pid == os.getpid()


def test_a_process_number_given_out_again_is_no_owner(tmp_path: Path) -> None:
    now = identity(os.getpid())
    if now is None:
        pytest.skip("this system does not tell when a process started")
    hold(tmp_path, process=now[:-1] + ("1" if now[-1] != "1" else "2"))
    assert "taking over" in (Lock(tmp_path).take() or "")


def test_a_process_that_ended_but_was_not_waited_for_is_no_owner() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, its number still taken
    assert not alive(process.pid)
    process.wait()
    assert alive(os.getpid()) and not alive(process.pid)


def test_a_lock_of_another_machine_is_respected_and_can_be_removed(tmp_path: Path) -> None:
    path = hold(tmp_path, host="elsewhere", pid=ended_process())
    with pytest.raises(UserError, match=f"on elsewhere .*remove {path}"):
        Lock(tmp_path).take()
    path.unlink()
    assert Lock(tmp_path).take() is None


@pytest.mark.parametrize("content", ["", "x", "[1]", '{"pid": 1}'])
def test_a_lock_that_cannot_be_read_is_named(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.runtime.lock.PATIENCE", 0.05)
    (tmp_path / NAME).write_text(content)
    with pytest.raises(UserError, match=f"{tmp_path / NAME} cannot be read; remove it"):
        Lock(tmp_path).take()


@pytest.mark.parametrize("ended", [False, True])
def test_of_many_that_start_at_once_one_wins(ended: bool, tmp_path: Path) -> None:
    """``ended``: all of them find the lock of a process that has ended."""
    folder, signal_file = tmp_path / "folder", tmp_path / "go"
    folder.mkdir()
    if ended:
        hold(folder, pid=ended_process())
    script = (
        f"import sys, time, pathlib\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from contracts.errors import UserError\nfrom engine.runtime.lock import Lock\n"
        f"print('ready', flush=True)\nwhile not pathlib.Path({str(signal_file)!r}).exists(): pass\n"
        f"try:\n    Lock(pathlib.Path({str(folder)!r})).take()\nexcept UserError:\n    sys.exit(2)\n"
        "sys.stdin.read()\n"  # hold it until all have tried
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(6)
    ]
    for process in processes:
        process.stdout.readline()
    signal_file.touch()
    deadline = time.monotonic() + 60
    while sum(process.poll() is not None for process in processes) < 5 and time.monotonic() < deadline:
        time.sleep(0.02)
    running = [process for process in processes if process.poll() is None]
    assert len(running) == 1
    assert Owner(**json.loads((folder / NAME).read_text())).pid == running[0].pid
    for process in processes:
        process.communicate()
    assert sorted(process.returncode for process in processes) == [0, 2, 2, 2, 2, 2]


# -- trainings ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_second_training_of_the_name_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    folder = experiment(tmp_path).folder
    usual = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
    first = start(*TRAIN, *LONG, cwd=tmp_path, **usual)
    wait_for(first, lambda: experiment(tmp_path).state.is_file())
    for command in (TRAIN, RESUME):
        outcome = run_here(*command, *LONG, cwd=tmp_path)
        assert_error(outcome, "experiments/tiny", f"process {first.pid} on {socket.gethostname()}", "another name")
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]
    before = len(log_of(tmp_path))
    wait_for(first, lambda: len(log_of(tmp_path)) > before)
    first.send_signal(signal.SIGINT)
    assert finish(first).code == 130
    assert not (folder / NAME).exists()


@pytest.mark.slow
def test_a_training_that_was_killed_is_taken_over_and_resumed(tmp_path: Path) -> None:
    first = start(*TRAIN, *LONG, cwd=tmp_path)
    wait_for(first, lambda: experiment(tmp_path).state.is_file())
    first.send_signal(signal.SIGKILL)
    finish(first)
    assert (experiment(tmp_path).folder / NAME).is_file()
    step = load(experiment(tmp_path).state)["step"]
    outcome = run_well(*RESUME, f"train:total_iter={step + 2}", "logger:save_checkpoint_freq=2", cwd=tmp_path)
    assert f"process {first.pid}" in outcome.out and f"resuming after step {step}" in outcome.out
    assert not (experiment(tmp_path).folder / NAME).exists()


def test_errors_and_archives_leave_no_lock(tmp_path: Path) -> None:
    train_here(tiny(tmp_path, "train:total_iter=1"))
    before = contents(tmp_path)
    with pytest.raises(UserError, match="loss.beta"):
        train_here(tiny(tmp_path, "train:total_iter=2", "loss:beta=0.25"), auto_resume=True)
    assert contents(tmp_path) == before
    train_here(tiny(tmp_path, "train:total_iter=1"))
    assert len(list((tmp_path / "experiments").iterdir())) == 2  # the earlier one moved aside
    assert list((tmp_path / "experiments").rglob(NAME)) == []


def test_an_ended_start_that_left_only_its_lock_is_not_moved_aside(tmp_path: Path) -> None:
    hold(experiment(tmp_path).folder, pid=ended_process())
    train_here(tiny(tmp_path, "train:total_iter=1"))
    assert [path.name for path in (tmp_path / "experiments").iterdir()] == ["tiny"]


@pytest.mark.slow
def test_under_torchrun_all_processes_are_refused_by_one_line(tmp_path: Path) -> None:
    path = hold(experiment(tmp_path).folder, host="elsewhere")
    outcome = finish(start(*TORCHRUN, ROOT / "train_joint.py", "-opt", TINY, cwd=tmp_path))
    assert outcome.code != 0
    (error,) = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert error == (
        f"error: experiments/tiny: process {os.getpid()} on elsewhere has been training it since "
        f"{json.loads(path.read_text())['started']}; if it no longer runs there, remove experiments/tiny/{NAME}, "
        "else give another name"
    )
    assert "exitcode  : 2" in outcome.err and "exitcode  : 1" not in outcome.err, outcome.err
    assert [file.name for file in experiment(tmp_path).folder.iterdir()] == [NAME]
