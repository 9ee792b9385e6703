"""Frozen test sets: back bit for bit, changes on disk noticed, nothing overwritten."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from contracts.errors import UserError
from degradations.frozen import FrozenSet, to_uint8, write_frozen
from degradations.presets import build_pipeline

NAMES = ("CFD/001", "CFD/002", "lone")


def rendered(seed: int = 0) -> tuple[list, dict, torch.Tensor]:
    """Three degraded images as items and meta, and the batch they come from."""
    hr = torch.rand(3, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    pipeline = build_pipeline("field", quantise=True)
    degraded = pipeline(hr, NAMES, seed=seed)
    kernels = degraded.kernel[:, 0].numpy()
    items = list(zip(NAMES, to_uint8(degraded.lr), kernels, degraded.drawn, strict=True))
    return items, {"seed": seed, **pipeline.describe()}, degraded.lr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    items, meta, _ = rendered()
    return write_frozen(tmp_path / "sets/test", items, meta)


def test_a_set_comes_back_bit_for_bit(folder: Path) -> None:
    items, meta, batch = rendered()
    frozen = FrozenSet(folder)
    assert frozen.names == NAMES
    assert frozen.meta == json.loads(json.dumps(meta))
    for row, (name, lr, kernel, drawn) in enumerate(items):
        read_lr, read_kernel = frozen.load(name)
        assert read_lr.dtype == np.uint8 and np.array_equal(read_lr, lr)
        assert read_kernel.dtype == np.float32 and np.array_equal(read_kernel, kernel)
        assert frozen.drawn(name) == drawn
        as_tensor = torch.from_numpy(read_lr).permute(2, 0, 1).float() / 255
        assert torch.equal(as_tensor, batch[row])  # what the pipeline gives with quantise=True
    assert sorted(path.name for path in folder.parent.iterdir()) == ["test"]  # nothing left behind


def test_writing_the_same_set_again_changes_nothing(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    items, meta, _ = rendered()
    write_frozen(folder, iter(items), meta)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_different_set_is_not_overwritten(folder: Path) -> None:
    digest = FrozenSet(folder).digest
    items, meta, _ = rendered(seed=1)
    with pytest.raises(UserError, match="frozen set of other settings; remove it"):
        write_frozen(folder, items, meta)
    with pytest.raises(UserError, match="another frozen set"):
        write_frozen(folder, items, {**meta, "seed": 0})
    assert FrozenSet(folder).digest == digest


def test_a_folder_of_something_else_is_not_overwritten(tmp_path: Path) -> None:
    items, meta, _ = rendered()
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(UserError, match="no frozen set here"):
        write_frozen(tmp_path, items, meta)
    with pytest.raises(UserError, match="a file is in the way"):
        write_frozen(tmp_path / "photo.jpg", items, meta)
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def test_an_interrupted_writing_leaves_nothing(tmp_path: Path) -> None:
    items, meta, _ = rendered()

    def interrupted():
        yield items[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_frozen(tmp_path / "test", interrupted(), meta)
    assert list(tmp_path.iterdir()) == []


def flip_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def test_changed_files_are_noticed(folder: Path) -> None:
    flip_byte(folder / "lr/CFD/002.png")
    frozen = FrozenSet(folder)
    frozen.load("CFD/001")
    with pytest.raises(UserError, match=r"CFD/002.png: changed since it was written \(sha256 differs\)"):
        frozen.load("CFD/002")
    (folder / "lr/lone.png").unlink()
    with pytest.raises(UserError, match="lone.png: missing"):
        frozen.load("lone")
    flip_byte(folder / "kernels.npz")
    with pytest.raises(UserError, match="kernels.npz: changed"):
        FrozenSet(folder)


def test_a_changed_manifest_is_noticed(folder: Path) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["meta"]["seed"] = 7
    path.write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="manifest.json: changed"):
        FrozenSet(folder)
    path.write_text("[]")
    with pytest.raises(UserError, match="not the manifest"):
        FrozenSet(folder)
    path.unlink()
    with pytest.raises(UserError, match="no frozen set here"):
        FrozenSet(folder)


def test_unknown_and_impossible_names(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no image 'CFD/003'"):
        FrozenSet(folder).load("CFD/003")
    items, meta, _ = rendered()
    _, lr, kernel, drawn = items[0]
    for name in ("../out", "/etc/out", "", "a/../../b"):
        with pytest.raises(UserError, match="not a name for a frozen image"):
            write_frozen(tmp_path / "bad", [(name, lr, kernel, drawn)], meta)
    with pytest.raises(UserError, match="two images of this name"):
        write_frozen(tmp_path / "bad", [items[0], items[0]], meta)
    with pytest.raises(UserError, match="no images to freeze"):
        write_frozen(tmp_path / "bad", [], meta)
    with pytest.raises(ValueError, match="lacks seed"):
        write_frozen(tmp_path / "bad", items, {"steps": [], "scale": 4})
    assert not (tmp_path / "bad").exists()
