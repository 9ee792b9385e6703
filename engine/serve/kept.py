"""What the page keeps in memory between two requests, by names that nobody can guess."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """The last few values; the one that was used longest ago makes room.

    Args:
        most: values that are kept.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._values: OrderedDict[str, Value] = OrderedDict()
        self._lock = Lock()

    def add(self, value: Value) -> str:
        """Keep a value; return its name."""
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._values[name] = value
            while len(self._values) > self.most:
                self._values.popitem(last=False)
        return name

    def get(self, name: str | None) -> Value | None:
        """The value of that name, None where it is not kept any more."""
        with self._lock:
            if name is None or name not in self._values:
                return None
            self._values.move_to_end(name)
            return self._values[name]
