"""Predictions: files as told, nothing overwritten, mistakes in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.morphology import remove_small_objects

import predict as script
from contracts.errors import UserError
from engine.build.models import build_model
from engine.options.load import load_options
from engine.predict.inputs import photographs
from engine.predict.plan import Settings, output_names, plan
from engine.runtime.checkpoint import save_atomic
from tests.helpers.errors import exit_line
from tests.helpers.photographs import save

# -- which files ----------------------------------------------------------------------------------


def test_names_never_collide():
    paths = ["a/x.jpg", "b/x.jpg", "a/y.jpg", "a/y.png", "a/Z.png", "b/z.jpg", "a/y_png.png", "b/w.png"]
    names = output_names([Path(path) for path in paths])
    assert names == ["a_x", "b_x", "y_jpg", "y_png_2", "a_Z", "b_z", "y_png", "w"]


def test_each_photograph_once(tmp_path):
    first, second = save(tmp_path, "one.png"), save(tmp_path, "two.png")
    (tmp_path / "notes.txt").write_text("not a photograph")
    assert photographs([first, tmp_path, second]) == [first, second]


def test_auto_restores_small_photographs_only(tmp_path):
    paths = [tmp_path / "small.png", tmp_path / "usual.png", tmp_path / "large.png"]
    for path, size in zip(paths, ((200, 200), (200, 201), (1000, 1501)), strict=True):
        Image.new("L", size).save(path)
    for restore, expected in (("auto", [True, None, False]), ("always", [True] * 3), ("never", [False] * 3)):
        jobs, _ = plan(paths, Settings(tmp_path / "out", restore=restore), 4)
        assert [job.restore for job in jobs] == expected
        for job, restored in zip(jobs, expected, strict=True):
            assert ("restored" in job.files) == ("mask_x4" in job.files) == (restored is not False)
            assert list(job.decided(False).files) == ["mask", "overlay", "probability"]


def test_a_result_never_replaces_a_photograph(tmp_path):
    paths = [save(tmp_path, "a.png"), save(tmp_path, "a_mask.png")]
    with pytest.raises(UserError, match="a_mask.png: a result would replace this photograph"):
        plan(paths, Settings(tmp_path, overwrite=True), 4)


# -- the command ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights(root, tmp_path_factory) -> Path:
    """An untrained model, kept as training keeps its weights."""
    changes = ["network_sr={type: bicubic}", "network_seg={type: fpn, width: 4}"]
    options = load_options(root / "options/joint.yml", changes)
    torch.manual_seed(0)
    state = build_model(options, pretrained=False).state_dict()
    path = tmp_path_factory.mktemp("exp") / "untrained/models/latest.pth"
    save_atomic({"model": state, "step": 0, "meta": {}, "options": options.model_dump(mode="json")}, path)
    return path


@pytest.fixture
def command(weights, monkeypatch):
    def call(*arguments: object) -> None:
        given = [str(argument) for argument in arguments]
        monkeypatch.setattr(sys, "argv", ["predict.py", *given, "--weights", str(weights)])
        script.main()

    return call


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_files_and_folders_get_all_results_at_their_size(command, tmp_path, capsys):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    save(tmp_path / "in", "b.jpg", (24, 33), exif=exif)
    Image.new("I;16", (40, 21), 30000).save(tmp_path / "in/a.png")
    single, out = save(tmp_path, "b.png", (19, 26)), tmp_path / "new/results"
    command(single, tmp_path / "in", "-o", out, "--tile", "16", "--overlap", "4")
    kinds = ("mask", "mask_x4", "overlay", "probability", "restored")
    names = {"a": (40, 21), "in_b": (24, 33), f"{tmp_path.name}_b": (26, 19)}
    assert sorted(p.name for p in out.iterdir()) == sorted(f"{n}_{k}.png" for n in names for k in kinds)
    for name, (width, height) in names.items():
        for kind in ("mask", "overlay", "probability"):
            assert size_of(out / f"{name}_{kind}.png") == (width, height)
        for kind in ("restored", "mask_x4"):
            assert size_of(out / f"{name}_{kind}.png") == (4 * width, 4 * height)
    mask, fine, prob = (np.array(Image.open(out / f"a_{k}.png")) for k in ("mask", "mask_x4", "probability"))
    assert set(np.unique(mask)) <= {0, 255} and prob.ndim == 2
    assert np.array_equal(mask > 0, fine.reshape(21, 4, 40, 4).max((1, 3)) > 0)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and lines[1].startswith("[1/3, ") and f"{single} 26x19 restored x4: " in lines[1]
    assert f"{100 * (fine > 0).mean():.2f}% crack" in lines[2]


def test_nothing_is_overwritten_unasked(command, tmp_path):
    path, out = save(tmp_path, "a.png"), tmp_path / "out"
    command(path, "-o", out, "--restore", "never")
    assert sorted(p.name for p in out.iterdir()) == ["a_mask.png", "a_overlay.png", "a_probability.png"]
    before = {p: p.stat().st_mtime_ns for p in out.iterdir()}
    with pytest.raises(UserError, match=r"a_mask\.png exists; give --resume .*, --overwrite "):
        command(save(tmp_path, "0.png"), path, "-o", out, "--restore", "never")
    assert {p: p.stat().st_mtime_ns for p in out.iterdir()} == before
    command(path, "-o", out, "--restore", "never", "--overwrite")
    assert (out / "a_mask.png").stat().st_mtime_ns > before[out / "a_mask.png"]


def test_a_higher_threshold_marks_fewer_pixels(command, tmp_path):
    path = save(tmp_path, "a.png")
    shares = []
    for number, threshold in enumerate((0.01, 0.5, 0.99)):
        command(path, "-o", tmp_path / str(number), "--restore", "never", "--threshold", threshold)
        mask = np.array(Image.open(tmp_path / str(number) / "a_mask.png"))
        prob = np.array(Image.open(tmp_path / str(number) / "a_probability.png"))
        assert (prob[mask > 0] >= threshold * 255 - 1).all()
        shares.append((mask > 0).mean())
    assert shares[0] >= shares[1] >= shares[2]


@pytest.mark.parametrize("restore", ["never", "always"])
def test_small_regions_are_no_cracks(command, tmp_path, restore):
    path, masks = save(tmp_path, "a.png", (48, 64)), []
    command(path, "-o", tmp_path / "first", "--restore", "never")
    threshold = np.quantile(np.array(Image.open(tmp_path / "first" / "a_probability.png")), 0.8) / 255
    for area in (0, 40):
        out = tmp_path / str(area)
        command(path, "-o", out, "--restore", restore, "--threshold", threshold, "--min-area", area)
        fine = out / ("a_mask.png" if restore == "never" else "a_mask_x4.png")
        masks.append(np.array(Image.open(fine)) > 0)
    assert masks[0].any() and masks[0].sum() > masks[1].sum()
    assert np.array_equal(masks[1], remove_small_objects(masks[0], max_size=39, connectivity=2))


def mistakes(folder: Path) -> dict[str, tuple[list, str]]:
    good = save(folder, "good.png")
    (folder / "text.jpg").write_text("no photograph")
    (folder / "empty").mkdir()
    Image.new("RGB", (200, 3)).save(folder / "thin.png")
    (folder / "file").write_text("in the way")
    return {
        "no image": ([folder / "text.jpg", folder / "thin.png"], "2 of 2 photographs left out: "),
        "missing": ([folder / "absent.jpg"], "absent.jpg"),
        "empty folder": ([folder / "empty"], "no image in folder"),
        "tiny": ([folder / "thin.png"], "200x3 pixels"),
        "threshold": ([good, "--threshold", "50"], "--threshold 50"),
        "area": ([good, "--min-area", "-1"], "--min-area -1"),
        "tile": ([good, "--tile", "32", "--overlap", "32"], "--tile 32"),
        "folder": ([good, "-o", folder / "file"], "a file is in the way"),
        "below a file": ([good, "-o", folder / "file/out"], f"a file is in the way ({folder / 'file'})"),
    }


@pytest.mark.parametrize(
    "kind", ["no image", "missing", "empty folder", "tiny", "threshold", "area", "tile", "folder", "below a file"]
)
def test_mistakes_get_one_line_and_write_nothing(kind, command, tmp_path, capsys, monkeypatch):
    arguments, expected = mistakes(tmp_path)[kind]
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    assert expected in exit_line(lambda: command(*arguments), capsys)
    assert list(work.iterdir()) == []


def test_help_is_quick_and_loads_nothing_heavy(root):
    code = "import sys, predict; sys.argv = ['predict.py', '--help']\ntry: predict.parse()\n"
    code += "finally: print('torch' in sys.modules, 'numpy' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True).stdout
    assert "python predict.py photo.jpg folder/ -o results/" in printed and printed.endswith("False False\n")
