"""What a result was made with, kept in its file: each tells by itself whether it is what is asked for now.

A record beside the pictures could be lost, mixed up by two runs into one folder, or stay behind when they are replaced.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.errors import UserError
from engine.predict.plan import Job, Settings

HEADER = 33  # bytes of a PNG file before its second chunk
KEYWORD = "made-with"  # of the text in PNG files, and the key in JSON files
JSON_SUFFIXES = (".json", ".geojson")
MEASURED, RUNTIME = "--measure", "--runtime"
LOOKED = "restored by width"  # whether the width of its cracks decided about restoring


def stamped(png: bytes | memoryview, record: Mapping[str, Any], exif: bytes = b"") -> bytes:
    """A PNG file with plain data as a text chunk, JSON in ASCII, right behind its header.

    Args:
        png: the content of a file.
        record: the data.
        exif: EXIF data for a chunk of its own; empty: none.
    """
    text = KEYWORD.encode() + b"\0" + json.dumps(record, sort_keys=True).encode("ascii")
    chunks = _framed(b"tEXt", text) + (_framed(b"eXIf", exif) if exif else b"")
    return bytes(png[:HEADER]) + chunks + bytes(png[HEADER:])


def _framed(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def stamp_of(path: Path) -> dict[str, Any] | None:
    """What ``stamped`` wrote into a PNG file, or a JSON file tells; None for a file without that."""
    if path.suffix in JSON_SUFFIXES:
        return _stamp_of_json(path)
    with path.open("rb") as file:
        start = file.read(HEADER + 8)
        if start[:8] != b"\x89PNG\r\n\x1a\n" or start[HEADER + 4 :] != b"tEXt":
            return None
        keyword, _, text = file.read(struct.unpack(">I", start[HEADER : HEADER + 4])[0]).partition(b"\0")
    try:
        record = json.loads(text) if keyword == KEYWORD.encode() else None
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _stamp_of_json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        return None
    record = content.get(KEYWORD) if isinstance(content, dict) else None
    return record if isinstance(record, dict) else None


def digest(path: Path, more: bytes = b"") -> str:
    """The sha256 of a file's content, and of some bytes after it.

    Args:
        path: of the file.
        more: the bytes.
    """
    with path.open("rb") as file:
        hashed = hashlib.file_digest(file, "sha256")
    hashed.update(more)
    return hashed.hexdigest()


def left_to_do(jobs: list[Job], settings: Settings, made_with: Mapping[str, Any]) -> list[Job]:
    """The jobs whose results are not complete: all of them, unless ``resume``.

    Args:
        jobs: planned.
        settings: what the user chose.
        made_with: what results are made with now, the same for all jobs.

    Raises:
        UserError: for a result that was made otherwise, or of another photograph, unless ``overwrite``.
    """
    return [job for job in jobs if not settings.resume or not _is_done(job, settings, made_with)]


def _is_done(job: Job, settings: Settings, made_with: Mapping[str, Any]) -> bool:
    job = _as_decided_before(job)
    there = [path for path in job.files.values() if path.exists()]
    wanted = stamp(job, made_with) if there else {}
    for path in there:
        difference = _difference(stamp_of(path), wanted, job.path)
        if difference is not None and not settings.overwrite:
            ways = "do the same to go on, or give --overwrite as well, or another folder with -o"
            raise UserError(f"--resume: {path} was made {difference}; {ways}")
        if difference is not None:
            return False
    return len(there) == len(job.files)


def _as_decided_before(job: Job) -> Job:
    """A job that is decided by a look, as its earlier results say that it was; as it is, without such."""
    earlier = next((path for path in job.files.values() if path.exists()), None)
    if job.restore is not None or earlier is None:
        return job
    before = (stamp_of(earlier) or {}).get("restored")
    return job.decided(before) if isinstance(before, bool) else job


def stamp(job: Job, made_with: Mapping[str, Any]) -> dict[str, Any]:
    """What the results of a job are made with, its photograph included.

    Args:
        job: planned.
        made_with: what is the same for all jobs.
    """
    return {**made_with, **decided_as(job), "photograph": digest(job.path)}


def decided_as(job: Job) -> dict[str, Any]:
    """Whether a photograph is restored, and whether that was decided by a look at it."""
    return {LOOKED: job.looked, "restored": job.restore}


def _difference(recorded: Mapping[str, Any] | None, wanted: Mapping[str, Any], photograph: Path) -> str | None:
    """How a result was made otherwise than wanted, None if it was not."""
    if recorded is None:
        return "by something else (it does not say how)"
    if (MEASURED in recorded) != (MEASURED in wanted):
        return f"with {MEASURED}" if MEASURED in recorded else f"without {MEASURED}"
    before, now = (
        record.get(RUNTIME, "auto") for record in (recorded, wanted)
    )  # not recorded where it is the usual one
    if before != now:
        return f"with {RUNTIME} {before}, not {now}"
    for name, value in wanted.items():
        if name not in recorded:
            return f"by another version, which does not tell its {name.removeprefix('--')}"
        before = recorded[name]
        if before == value:
            continue
        if name == "photograph":
            return f"of another photograph than {photograph}"
        if name == "weights":
            return "with other weights"
        if name == LOOKED:
            return "with --restore auto" if before else "without --restore auto"
        if name == "restored":
            return "with restoring" if before else "without restoring"
        return f"with {name} {before}, not {value}"
    return None
