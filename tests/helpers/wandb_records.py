"""What W&B has written to disk, read back."""

from __future__ import annotations

import struct
import time
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

BLOCK, HEADER, FULL, FIRST, LAST = 32768, 7, 1, 2, 4


def read_records(path: Path) -> list[Record]:
    """Return the records of a finished run; wandb's service may write the last ones a moment after."""
    deadline = time.monotonic() + 10
    while True:
        records = parse_records(path.read_bytes())
        if any(record.WhichOneof("record_type") == "exit" for record in records):
            return records
        assert time.monotonic() < deadline, f"{path} has no end"
        time.sleep(0.05)


def run_record(records: list[Record]) -> Any:
    return next(r.run for r in records if r.WhichOneof("record_type") == "run")


def session_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("wandb/offline-run-*/*.wandb"))


def parse_records(data: bytes) -> list[Record]:
    """Decode a .wandb file: a 7-byte header, then LevelDB log blocks of protobuf records.

    wandb 0.31 no longer has the Python reader of older versions (sdk.internal.datastore).
    """
    if not data:
        return []
    assert data[:4] == b":W&B"
    position, part, records = HEADER, b"", []
    while position + HEADER <= len(data):
        if BLOCK - position % BLOCK < HEADER:  # the rest of a block is too short for a header
            position += BLOCK - position % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + HEADER])
        if position + HEADER + length > len(data):  # still being written
            break
        chunk = data[position + HEADER : position + HEADER + length]
        position += HEADER + length
        part = chunk if kind in (FULL, FIRST) else part + chunk
        if kind in (FULL, LAST) and part:
            records.append(Record.FromString(part))
    return records
