"""Frozen test sets: degraded images rendered once, to be read back bit for bit and checked by hash.

A set is a folder with ``lr/NAME.png`` (8-bit RGB), ``kernels.npz`` (``names`` and float32 ``kernels``
[N,k,k], lossless) and ``manifest.json`` (seed, steps, scale, what each image drew, sha256 of every file and
of itself).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from torch import Tensor

from contracts.errors import UserError
from contracts.files import replacing, write_bytes, write_text
from degradations.resize import round_to_8_bit

FORMAT = 1
MANIFEST = "manifest.json"
KERNELS = "kernels.npz"
REPAIR = "restore it, or remove the set's folder and render it again"
REQUIRED_META = ("seed", "steps", "scale")

Item = tuple[str, np.ndarray, np.ndarray, Mapping[str, object]]


def to_uint8(lr: Tensor) -> np.ndarray:
    """Return a batch [B,3,h,w] in [0, 1] as uint8 [B,h,w,3] on the CPU, rounded and clamped."""
    return round_to_8_bit(lr).mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def write_frozen(root: Path | str, items: Iterable[Item], meta: Mapping[str, object]) -> Path:
    """Write a set to the folder ``root``, all or nothing; return the folder.

    Does nothing if ``root`` already holds this very set.

    Args:
        root: the folder.
        items: (name, lr uint8 [h,w,3] RGB, kernel float [k,k], drawn) of each image; names may contain "/".
        meta: plain data with at least ``seed``, ``steps`` and ``scale`` (``Pipeline.describe`` and the seed).

    Raises:
        UserError: if ``root`` holds anything else.
        ValueError: if ``meta`` lacks a key.
    """
    root = Path(root)
    missing = [key for key in REQUIRED_META if key not in meta]
    if missing:
        raise ValueError(f"meta of a frozen set lacks {', '.join(missing)}")
    _refuse_other_meta(root, meta)
    root.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
    try:
        manifest = _render(temporary, items, meta)
        if not (root.is_dir() and any(root.iterdir())):
            temporary.chmod(0o755)  # mkdtemp's folders are for their owner only
            temporary.replace(root)
        elif _read_manifest(root) != manifest:
            raise UserError(f"{root}: holds another frozen set (images differ); remove it or give another folder")
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return root


class FrozenSet:
    """A set written by ``write_frozen``, read back.

    Attributes:
        names: its images in order.
        meta: what it was made from.
        digest: sha256 of it all.

    Raises:
        UserError: if it is absent, incomplete or changed on disk.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        manifest = _read_manifest(self.root)
        self.meta: dict[str, object] = manifest["meta"]
        self.digest: str = manifest["sha256"]
        self._images: dict[str, dict] = {image["name"]: image for image in manifest["images"]}
        self.names: tuple[str, ...] = tuple(self._images)
        _check_file(self.root / KERNELS, manifest["kernels_sha256"])
        with np.load(self.root / KERNELS, allow_pickle=False) as stored:
            self._kernels = dict(zip(stored["names"].tolist(), stored["kernels"], strict=True))

    def load(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return lr uint8 [h,w,3] RGB and kernel float32 [k,k]; UserError if unknown or changed on disk."""
        entry = self._entry(name)
        path = _image_path(self.root, name)
        _check_file(path, entry["sha256"])
        lr = cv2.imread(str(path), cv2.IMREAD_COLOR)
        assert lr is not None  # the bytes are those of the image that was written
        return lr[..., ::-1].copy(), self._kernels[name].copy()

    def drawn(self, name: str) -> dict[str, object]:
        """Return the parameters that were drawn for an image, by step."""
        return self._entry(name)["drawn"]

    def _entry(self, name: str) -> dict:
        if name not in self._images:
            raise UserError(f"{self.root}: no image '{name}' in this frozen set; render one for this data")
        return self._images[name]


def _render(folder: Path, items: Iterable[Item], meta: Mapping[str, object]) -> dict:
    """Write all files of a set into ``folder``; return the manifest."""
    images: dict[str, dict] = {}
    kernels: list[np.ndarray] = []
    for name, lr, kernel, drawn in items:
        if name in images:
            raise UserError(f"{name}: two images of this name; names in a frozen set must differ")
        path = _image_path(folder, name)
        _write_png(path, lr)
        images[name] = {"name": name, "sha256": _sha256(path.read_bytes()), "drawn": drawn}
        kernels.append(np.asarray(kernel, dtype=np.float32))
    if not images:
        raise UserError("no images to freeze: the source of this set is empty; check its folder and part")
    with replacing(folder / KERNELS) as file:
        np.savez(file, names=np.array(list(images)), kernels=np.stack(kernels))
    content = {
        "format": FORMAT,
        "meta": meta,
        "kernels_sha256": _sha256((folder / KERNELS).read_bytes()),
        "images": list(images.values()),
    }
    manifest = json.loads(json.dumps(content))
    manifest["sha256"] = _sha256(_canonical(manifest))
    write_text(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    return manifest


def _write_png(path: Path, lr: np.ndarray) -> None:
    if lr.dtype != np.uint8 or lr.ndim != 3 or lr.shape[-1] != 3:
        raise ValueError(f"expected uint8 [h,w,3], received {lr.dtype} {list(lr.shape)}")
    write_bytes(path, cv2.imencode(".png", np.ascontiguousarray(lr[..., ::-1]))[1].data)


def _image_path(root: Path, name: str) -> Path:
    """Return the file of an image; raise UserError for a name that would leave the folder."""
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or name.startswith("/") or "\\" in name:
        raise UserError(f"'{name}': not a name for a frozen image; use FOLDER/STEM or STEM")
    return root / "lr" / f"{name}.png"


def _read_manifest(root: Path) -> dict:
    """Read and verify the manifest of a set."""
    path = root / MANIFEST
    if not path.is_file():
        raise UserError(f"{root}: no frozen set here ({MANIFEST} is missing); render one first")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        recorded = manifest.pop("sha256")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{path}: not the manifest of a frozen set; {REPAIR}") from None
    if manifest.get("format") != FORMAT:
        raise UserError(f"{path}: format {manifest.get('format')}, expected {FORMAT}; {REPAIR}")
    if _sha256(_canonical(manifest)) != recorded:
        raise UserError(f"{path}: changed since it was written (sha256 differs); {REPAIR}")
    return {**manifest, "sha256": recorded}


def _refuse_other_meta(root: Path, meta: Mapping[str, object]) -> None:
    """Before any rendering: raise UserError if ``root`` holds something made from other settings."""
    if root.exists() and not root.is_dir():
        raise UserError(f"{root}: a file is in the way; give another folder for the frozen set")
    if root.is_dir() and any(root.iterdir()) and _read_manifest(root)["meta"] != json.loads(json.dumps(meta)):
        raise UserError(f"{root}: holds a frozen set of other settings; remove it or give another folder")


def _check_file(path: Path, expected: str) -> None:
    """Raise UserError unless the file has the recorded sha256."""
    if not path.is_file():
        raise UserError(f"{path}: missing from the frozen set; {REPAIR}")
    if _sha256(path.read_bytes()) != expected:
        raise UserError(f"{path}: changed since it was written (sha256 differs); {REPAIR}")


def _canonical(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
