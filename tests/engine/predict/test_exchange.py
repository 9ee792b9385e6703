"""Masks for other programs: pycocotools and polygon rules of others read what was written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage.draw import polygon2mask

from engine.predict.coco import compressed, counts, objects_of, write_coco
from engine.predict.yolo import area, polygons, write_yolo
from tests.helpers.folders import contents
from tests.helpers.runs import assert_error, run_here, run_well

RANDOM = np.random.default_rng(3)
MASKS = {
    "noise": RANDOM.random((23, 31)) < 0.5,
    "sparse": RANDOM.random((40, 17)) < 0.1,
    "full": np.ones((5, 4), bool),
    "corner": np.pad([[True]], ((0, 6), (0, 3))),
    "last": np.pad([[True]], ((6, 0), (3, 0))),
    "hole": np.pad(np.pad([[False]], 1, constant_values=True), 2),
    "diagonal": np.eye(6, dtype=bool),
    "long": np.pad(np.ones((1, 3000), bool), ((700, 5), (40, 9))),
    "none": np.zeros((7, 9), bool),
}


def regions(mask: np.ndarray) -> list[np.ndarray]:
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    return [labels == number for number in range(1, count + 1)]


# -- COCO -----------------------------------------------------------------------------------------


def test_runs_worked_out_by_hand() -> None:
    """Down the columns of 3: 0 1 1 | 1 0 0 gives 1 3 2; six bits a character, from "0" on."""
    mask = np.array([[0, 1], [1, 0], [1, 0]])
    assert counts(mask) == [1, 3, 2] and compressed([1, 3, 2]) == "132"
    assert counts(1 - mask) == [0, 1, 3, 2]
    # 40 = 1 * 32 + 8: "X" (8 + more), then 1; the fourth run as its difference to the second: 6 - 8 = -2
    assert compressed([40, 8, 3, 6]) == "X1" + "83" + "N" and compressed([40, 8, 3, 6, 3])[-1] == "0"


@pytest.mark.parametrize("name", MASKS)
def test_pycocotools_reads_the_same_regions(name: str) -> None:
    coding = pytest.importorskip("pycocotools.mask")
    mask = MASKS[name]
    found = objects_of(mask, 7, 5)
    assert [one["id"] for one in found] == list(range(5, 5 + len(regions(mask))))
    for one, region in zip(found, regions(mask), strict=True):
        reference = coding.encode(np.asfortranarray(region.astype(np.uint8)))
        assert one["segmentation"] == {"size": list(reference["size"]), "counts": reference["counts"].decode()}
        assert one["area"] == coding.area(reference) and one["bbox"] == coding.toBbox(reference).tolist()
        assert np.array_equal(coding.decode(one["segmentation"]), region)


def test_pycocotools_loads_the_file(tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    for name, mask in MASKS.items():
        Image.fromarray(mask).convert("L").save(tmp_path / f"{name}.png")
    write_coco(tmp_path / "x.json", [(f"{name}.jpg", tmp_path / f"{name}.png") for name in MASKS])
    loaded = coco.COCO(str(tmp_path / "x.json"))
    for image, (name, mask) in zip(loaded.loadImgs(loaded.getImgIds()), MASKS.items(), strict=True):
        assert (image["file_name"], image["height"], image["width"]) == (f"{name}.jpg", *mask.shape)
        parts = [loaded.annToMask(one) for one in loaded.loadAnns(loaded.getAnnIds(image["id"]))]
        assert np.array_equal(sum(parts, np.zeros(mask.shape, int)), mask)


# -- YOLO -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MASKS)
def test_polygons_hold_the_pixels_of_their_region(name: str) -> None:
    mask = MASKS[name]
    found = list(polygons(mask))
    for ring, region in zip(found, regions(mask), strict=True):
        assert area(ring) == region.sum()
        assert np.array_equal(polygon2mask(mask.shape, ring[:, ::-1] - 0.5), region)


def test_a_hole_is_joined_by_a_cut() -> None:
    """A ring of eight pixels: four corners outside, four inside, and the two that the cut joins once more."""
    (ring,) = polygons(MASKS["hole"])
    corners = [(2, 2), (5, 2), (5, 5), (2, 5), (3, 3), (4, 3), (4, 4), (3, 4)]
    assert len(ring) == 10 and set(map(tuple, ring.tolist())) == set(corners) and area(ring) == 8


def test_shares_of_width_and_height(tmp_path: Path) -> None:
    """A pixel in the second row and third column of 4 x 10."""
    mask = np.zeros((4, 10), np.uint8)
    mask[1, 2] = 255
    Image.fromarray(mask).save(tmp_path / "a.png")
    write_yolo(tmp_path / "labels", [("photo", tmp_path / "a.png")])
    assert (tmp_path / "labels" / "photo.txt").read_text() == "0 0.2 0.25 0.3 0.25 0.3 0.5 0.2 0.5\n"


# -- the command ----------------------------------------------------------------------------------


def test_masks_of_a_batch(work: Path, tiny_weights: Path) -> None:
    images = work / "mine" / "images"
    (images / "e.png").write_bytes(b"no photograph")
    command = ["predict.py", "mine/images", "--weights", tiny_weights, "--restore", "never", "--min-area", "0"]
    given = ["--coco", "x.json", "--yolo", "labels"]
    outcome = run_here(*command, "--threshold", "0.4", *given, cwd=work)
    assert_error(outcome, "1 of 5 photographs left out")
    content = json.loads((work / "x.json").read_text())
    assert [image["file_name"] for image in content["images"]] == [f"{stem}.png" for stem in "abcd"]
    assert sorted(path.name for path in (work / "labels").iterdir()) == [f"{stem}.txt" for stem in "abcd"]
    for number, stem in enumerate("abcd", start=1):
        mask = np.asarray(Image.open(work / "results" / f"{stem}_mask.png")) > 0
        assert [one for one in content["annotations"] if one["image_id"] == number] == objects_of(
            mask, number, 1 + sum(one["image_id"] < number for one in content["annotations"])
        )
        assert len((work / "labels" / f"{stem}.txt").read_text().splitlines()) == len(regions(mask))
    before = contents(work)
    (images / "e.png").unlink()
    for option, given_name, place in (("--coco", "x.json", "x.json"), ("--yolo", "labels", "labels/a.txt")):
        refused = run_here(*command, option, given_name, "-o", "other", cwd=work)
        assert_error(refused, f"{option} {place} exists", "--overwrite")
    run_well(*command, "--threshold", "0.4", *given, "--resume", cwd=work)
    assert {**contents(work), "mine/images/e.png": b"no photograph"} == before


@pytest.mark.parametrize(
    ("arguments", "files", "message"),
    [
        (["--coco", "x.csv"], {}, "--coco x.csv: give a file that ends in .json"),
        (["--coco", "x.json", "--resume"], {"x.json": '{"info": {}}'}, "--coco x.json is not one of these files"),
        (["--yolo", "l", "--resume"], {"l/a.txt": "a note\n"}, "--yolo l/a.txt is not one of these files"),
        (["--yolo", "l"], {"mine/images/a.jpg": ""}, "would both be 'a' in it"),
        (["--yolo", "l"], {"l": "a file"}, "a file is in the way"),
    ],
)
def test_what_must_not_be_written(
    arguments: list[str], files: dict[str, str], message: str, work: Path, tiny_weights: Path
) -> None:
    for name, text in files.items():
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_text(text)
    before = contents(work)
    assert_error(run_here("predict.py", "mine/images", "--weights", tiny_weights, *arguments, cwd=work), message)
    assert contents(work) == before
