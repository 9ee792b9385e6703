"""One training at a time in an experiment's folder: a file there says which process it belongs to."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from contracts.errors import UserError

NAME = "training.lock"
PATIENCE = 2.0  # seconds that a lock may be empty: the moment between making the file and writing it


@dataclass(frozen=True)
class Owner:
    """Who holds a lock. started: the time in words; process: what tells it from a later process of the same number."""

    pid: int
    host: str
    started: str
    process: str | None

    @staticmethod
    def this() -> Owner:
        """This process."""
        return Owner(os.getpid(), socket.gethostname(), time.strftime("%Y-%m-%d %H:%M:%S"), identity(os.getpid()))

    @property
    def here(self) -> bool:
        """Whether it runs, or ran, on this machine."""
        return self.host == socket.gethostname()

    def gone(self) -> bool:
        """Whether it is known to have ended: on this machine, and its number free or given to another process."""
        if not self.here:
            return False
        now = identity(self.pid)
        return not alive(self.pid) or (self.process is not None and now is not None and self.process != now)


def alive(pid: int) -> bool:
    """Whether a process of this number runs on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    stat = _stat(pid)
    return stat is None or stat[0] not in ("Z", "X")  # one that ended, but was not yet waited for


def identity(pid: int) -> str | None:
    """The boot of the machine and the time since then when the process started; None where the system does not tell."""
    stat = _stat(pid)
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    return None if stat is None else f"{boot}:{stat[19]}"


def _stat(pid: int) -> list[str] | None:
    """The fields of Linux's /proc/PID/stat from the third on (the state)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


class Lock:
    """The lock of an experiment's ``folder``. ``take`` it before anything is written; ``release`` it at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / NAME
        self._owner: Owner | None = None

    def take(self) -> str | None:
        """Take the lock, once; the folder has to exist. Returns what there is to tell, if an ended process held it.

        Raises UserError that names the process that holds it.
        """
        if self._owner is not None:
            return None
        own, message = Owner.this(), None
        try:
            file = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            message = self._take_over(own)
        else:
            with os.fdopen(file, "w") as opened:
                opened.write(json.dumps(asdict(own)))
        self._owner = own
        return message

    def _take_over(self, own: Owner) -> str:
        """Replace the entry of a process that has ended; others that try the same wait meanwhile, and are refused."""
        try:
            with open(self.path, "r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                earlier = self._read()
                if not earlier.gone():
                    raise self._refusal(earlier)
                file.write(json.dumps(asdict(own)))
                file.truncate()
        except FileNotFoundError:  # released a moment ago
            raise UserError(f"{self.folder}: another training ended this moment; start again") from None
        return f"{self.folder}: process {earlier.pid}, which trained it since {earlier.started}, has ended; taking over"

    def _read(self) -> Owner:
        """The owner as the file has it; an empty file is given a moment to be written."""
        deadline = time.monotonic() + PATIENCE
        while not (text := self.path.read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
        try:
            return Owner(**json.loads(text))
        except (ValueError, TypeError):
            raise UserError(f"{self.path} cannot be read; remove it if no training of that name runs") from None

    def _refusal(self, owner: Owner) -> UserError:
        who = f"process {owner.pid} on {owner.host} has been training it since {owner.started}"
        if owner.here:
            return UserError(f"{self.folder}: {who}; wait for it, stop it, or give another name")
        repair = f"if it no longer runs there, remove {self.path}, else give another name"
        return UserError(f"{self.folder}: {who}; {repair}")

    def moved(self, folder: Path) -> None:
        """The folder was moved to ``folder`` with the lock in it: remove that; a new folder needs another."""
        if self._owner is not None:
            (folder / NAME).unlink()
            self._owner = None

    def release(self) -> None:
        """Give the lock back, if this process holds it."""
        if self._owner is not None and self.path.is_file() and self._read() == self._owner:
            self.path.unlink()
        self._owner = None
