"""``python -m tools.score``: which files belong together, what their values mean, and figures by each convention."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from contracts.errors import UserError
from metrics import sweep
from tools.score.__main__ import main
from tools.score.conventions import scsegamba, scsegamba_counts
from tools.score.files import crack, match_files, probability, read_values, survey

CRACKS = 4


def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    """Probability maps in steps of 1/255 and masks; the last photograph has no crack."""
    made = []
    for seed in range(CRACKS + 1):
        rng = np.random.default_rng(seed)
        truth = np.zeros((40, 50), bool)
        if seed < CRACKS:
            truth[10 + 3 * seed : 13 + 3 * seed, 4:46] = True
        prob = np.clip(0.5 * np.roll(truth, 1, axis=0) + 0.4 * rng.random(truth.shape), 0, 1)
        made.append((np.rint(prob * 255) / 255, truth))
    return made


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    predictions, masks = tmp_path / "theirs", tmp_path / "masks"
    predictions.mkdir()
    masks.mkdir()
    for index, (prob, truth) in enumerate(pairs()):
        cv2.imwrite(str(predictions / f"{index}_pre.png"), np.rint(prob * 255).astype(np.uint8))
        cv2.imwrite(str(masks / f"{index}.png"), truth.astype(np.uint8) * 255)
    return predictions, masks


def scored(folders: tuple[Path, Path], *more: str) -> dict:
    out = folders[0].parent / "out.json"
    main([*map(str, folders), "--suffix", "_pre", "--json", str(out), *more])
    return json.loads(out.read_text())


def line(content: dict, threshold: str, convention: str, maps: str = "as they are") -> dict:
    (found,) = [
        row
        for row in content["conventions"]
        if (row["maps"], row["threshold"], row["convention"]) == (maps, threshold, convention)
    ]
    return found


# -- figures --------------------------------------------------------------------------------------


def overlap(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """IoU and Dice of two masks, both empty: 1."""
    if not (a | b).any():
        return 1.0, 1.0
    return (a & b).sum() / (a | b).sum(), 2 * (a & b).sum() / (a.sum() + b.sum())


def test_conventions_at_half_by_sets(folders: tuple[Path, Path]) -> None:
    content = scored(folders)
    predicted, truth = [prob > 0.5 for prob, _ in pairs()], [truth for _, truth in pairs()]
    together = overlap(np.concatenate(predicted), np.concatenate(truth))
    found = line(content, "0.5", "pooled")
    assert (found["iou"], found["f1"]) == pytest.approx(together)
    background = overlap(~np.concatenate(predicted), ~np.concatenate(truth))[0]
    assert found["miou"] == pytest.approx((together[0] + background) / 2)
    each = [overlap(*pair)[1] for pair in zip(predicted, truth, strict=True)]
    assert each[-1] == 1.0  # nothing is predicted where nothing is
    by_rule = {
        "crack-free 1 if nothing is predicted, else 0": np.mean(each),
        "crack-free left out": np.mean(each[:CRACKS]),
        "crack-free always 0": np.sum(each[:CRACKS]) / len(each),
    }
    for rule, expected in by_rule.items():
        assert line(content, "0.5", f"mean over images, {rule}")["f1"] == pytest.approx(expected)
    assert line(content, "0.5", "pooled, 2 px of tolerance")["f1"] > found["f1"]


def test_best_and_given_thresholds(folders: tuple[Path, Path]) -> None:
    content = scored(folders, "--threshold", "0.37")
    best, given = line(content, "best on this set", "pooled"), line(content, "0.37", "pooled")
    f = [
        overlap(np.concatenate([prob > t for prob, _ in pairs()]), np.concatenate([truth for _, truth in pairs()]))[1]
        for t in sweep.THRESHOLDS
    ]
    assert best["f1"] == pytest.approx(max(f)) and best["f1_at"] == sweep.THRESHOLDS[int(np.argmax(f))]
    assert given["f1"] == pytest.approx(f[36]) and "f1_at" not in given
    assert content["figures"]["ods"] == pytest.approx(max(f))
    own = line(content, "each image's own", "mean over images, crack-free left out")["f1"]
    assert own >= line(content, "best on this set", "mean over images, crack-free left out")["f1"]


def test_maps_divided_by_their_maximum(folders: tuple[Path, Path]) -> None:
    content = scored(folders)
    f = [overlap(prob / prob.max() > 0.5, truth)[1] for prob, truth in pairs()]
    maps = "divided by their maximum"
    assert line(content, "0.5", "mean over images, crack-free left out", maps)["f1"] == pytest.approx(np.mean(f[:-1]))
    assert f[-1] == 0.0  # noise becomes cracks
    assert line(content, "0.5", "mean over images, crack-free 1 if nothing is predicted, else 0", maps)[
        "f1"
    ] == pytest.approx(np.mean(f))


def scsegamba_by_loops(maps: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """mIoU, ODS and OIS from the definitions in its eval/evaluate.py, a threshold and an image at a time."""
    ious, fs = [], []
    for threshold in np.arange(0.0, 1.0, 0.01):
        iou_of, f_of = [], []
        for prob, truth in maps:
            cut = np.rint(255 * (prob / prob.max())) / 255 > threshold
            hit, false, missed = (cut & truth).sum(), (cut & ~truth).sum(), (~cut & truth).sum()
            rest = (~cut & ~truth).sum()
            both = 0.0
            if hit + false + missed:
                both = (hit / (hit + false + missed) + rest / (rest + false + missed)) / 2
            iou_of.append(both)
            precision = 1.0 if hit + false == 0 else hit / (hit + false)
            recall = 0.0 if hit + missed == 0 else hit / (hit + missed)
            f_of.append(0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall))
        ious.append(iou_of)
        fs.append(f_of)
    return {"mIoU": np.mean(ious, axis=1).max(), "ODS": np.mean(fs, axis=1).max(), "OIS": np.mean(np.max(fs, axis=0))}


def test_scsegamba_as_its_loops(folders: tuple[Path, Path]) -> None:
    theirs, expected = scored(folders)["scsegamba"], scsegamba_by_loops(pairs())
    assert {name: theirs[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    grid = np.arange(256).reshape(16, 16) / 255  # every value that 8 bits hold: none falls between float32 and float64
    truth = grid > 0.3
    counts = scsegamba_counts(grid.astype(np.float32), truth)
    assert scsegamba([counts])["mIoU"] == pytest.approx(scsegamba_by_loops([(grid, truth)])["mIoU"])
    for k in range(100):
        assert counts.true_positive[k] == (truth & (grid > np.arange(0.0, 1.0, 0.01)[k])).sum()


def test_masks_have_no_threshold_to_choose(folders: tuple[Path, Path], capsys: pytest.CaptureFixture) -> None:
    content = scored((folders[1], folders[1]), "--suffix", "")
    assert "there is no threshold to choose" in capsys.readouterr().out
    assert {row["threshold"] for row in content["conventions"]} == {"0.5"}
    assert line(content, "0.5", "pooled")["iou"] == 1.0 and content["figures"]["cliou"] == 1.0


def test_a_set_without_cracks(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "x.npy", np.zeros((20, 20)) + 0.2 * (folder == "a"))
    main([str(tmp_path / "a"), str(tmp_path / "b")])
    printed = capsys.readouterr().out
    assert "left out" not in printed and "0 predictions" not in printed and "nan" not in printed
    assert "empty at 0.5: 1 predictions and 1 masks of 1" in printed


def test_one_row_for_each_photograph(folders: tuple[Path, Path]) -> None:
    scored(folders, "--csv", str(folders[0].parent / "out.csv"))
    with (folders[0].parent / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [str(index) for index in range(CRACKS + 1)]
    assert float(rows[0]["dice"]) == pytest.approx(overlap(pairs()[0][0] > 0.5, pairs()[0][1])[1])


# -- files ----------------------------------------------------------------------------------------


def test_what_is_missing_is_named(folders: tuple[Path, Path], capsys: pytest.CaptureFixture) -> None:
    predictions, masks = folders
    (predictions / "0_pre.png").unlink()
    (masks / "3.png").unlink()
    with pytest.raises(UserError, match=r"1 predictions without a mask: '3'; 1 masks .*: '0'; .* --only-common"):
        scored(folders)
    content = scored(folders, "--only-common")
    assert content["figures"]["images"] == CRACKS - 1
    assert "left out 1 predictions without a mask: '3'" in capsys.readouterr().out
    with pytest.raises(UserError, match="no prediction is called like a mask .* --suffix"):
        main([*map(str, folders)])


def test_folders_inside_and_other_endings(tmp_path: Path) -> None:
    for side, ending in (("p", "npy"), ("m", "png")):
        for part in ("train", "test"):
            (tmp_path / side / part).mkdir(parents=True)
            (tmp_path / side / part / f"a.{ending}").touch()
    found, _ = match_files(tmp_path / "p", tmp_path / "m")
    assert [pair.name for pair in found] == ["test/a", "train/a"]
    assert found[0].mask == tmp_path / "m" / "test" / "a.png"
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "a.png").touch()
    (tmp_path / "p" / "train" / "a.npy").unlink()
    assert match_files(tmp_path / "p", tmp_path / "flat")[0][0].name == "a"  # by stem, whatever folder it is in
    (tmp_path / "flat" / "a.jpg").touch()
    with pytest.raises(UserError, match=r"a\.jpg' and .*a\.png' have one name"):
        match_files(tmp_path / "p", tmp_path / "flat")


def test_values_of_each_kind_mean_the_same(tmp_path: Path) -> None:
    truth = np.zeros((6, 8), np.uint8)
    truth[2:4] = 1
    for name in ("p", "m"):
        (tmp_path / name).mkdir()
    cv2.imwrite(str(tmp_path / "p" / "a.png"), truth * 204)
    cv2.imwrite(str(tmp_path / "p" / "b.png"), truth.astype(np.uint16) * 52428)
    np.save(tmp_path / "p" / "c.npy", truth[None] * 0.8)
    cv2.imwrite(str(tmp_path / "p" / "d.png"), truth)  # dark all over: 1 of 255 in this folder
    cv2.imwrite(str(tmp_path / "m" / "a.png"), truth)
    cv2.imwrite(str(tmp_path / "m" / "b.png"), truth)
    np.save(tmp_path / "m" / "c.npy", truth == 1)
    cv2.imwrite(str(tmp_path / "m" / "d.png"), truth)
    found, _ = match_files(tmp_path / "p", tmp_path / "m")
    of_predictions, of_masks = survey(found, lambda: None)
    maps = [probability(read_values(pair.prediction), of_predictions) for pair in found]
    for prob, expected in zip(maps, (0.8, 0.8, 0.8, 1 / 255), strict=True):
        np.testing.assert_allclose(prob, truth * expected, atol=1e-6)
    for pair in found:
        np.testing.assert_array_equal(crack(read_values(pair.mask, colour=True), of_masks), truth == 1)


def test_what_cannot_be_scored_is_named(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    predictions, masks = folders
    cv2.imwrite(str(predictions / "1_pre.png"), np.zeros((20, 30), np.uint8))
    with pytest.raises(UserError, match="sizes differ: '1' is 30x20, its mask 50x40; give predictions of"):
        scored(folders)
    cv2.imwrite(str(predictions / "1_pre.png"), np.dstack([np.zeros((40, 50)), np.ones((40, 50)), np.ones((40, 50))]))
    with pytest.raises(UserError, match=r"1_pre.png' is a colour image; give grey maps"):
        scored(folders)
    (predictions / "1_pre.png").unlink()
    for array, told in (
        (np.full((40, 50), -1.5), "-1.5 to -1.5; give probabilities"),
        (np.full((40, 50), np.nan), "nan to nan; give probabilities"),
        (np.zeros((2, 40, 50)), r"array float64 \[2, 40, 50\]; give numbers \[H,W\]"),
    ):
        np.save(predictions / "1_pre.npy", array)
        with pytest.raises(UserError, match=told):
            scored(folders)
    (predictions / "1_pre.npy").write_bytes(b"text")
    with pytest.raises(UserError, match="is no array .* numpy.save"):
        scored(folders)
    with pytest.raises(UserError, match="no folder .*give the folder of the predictions"):
        main([str(tmp_path / "nowhere"), str(masks)])
    with pytest.raises(UserError, match="--threshold 0.375: give one of 0.01"):
        main([*map(str, folders), "--threshold", "0.375"])


def test_masks_that_are_something_else_are_doubted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Inverted masks and exchanged folders give figures, but not in silence; masks that ring as JPEG raise no doubt."""
    random = np.random.default_rng(0)
    for name in ("maps", "masks", "inverted", "ringing"):
        (tmp_path / name).mkdir()
    for number in range(3):
        mask = np.zeros((64, 64), np.uint8)
        cv2.line(mask, (0, 10 + number), (63, 50), 255, 3)
        prob = (mask * 0.6 + random.uniform(0, 90, mask.shape)).astype(np.uint8)
        for name, image in (("maps", prob), ("masks", mask), ("inverted", 255 - mask)):
            cv2.imwrite(str(tmp_path / name / f"{number}.png"), image)
        cv2.imwrite(str(tmp_path / "ringing" / f"{number}.jpg"), mask, [cv2.IMWRITE_JPEG_QUALITY, 80])

    def told(predictions: str, masks: str) -> str:
        main([str(tmp_path / predictions), str(tmp_path / masks), "--json", str(tmp_path / "out.json")])
        text = capsys.readouterr().out
        notes = json.loads((tmp_path / "out.json").read_text())["notes"]
        assert all(note in text for note in notes)
        return " ".join(notes)

    assert told("maps", "masks") == told("maps", "ringing") == ""
    assert "3 of 3 masks, such as '0', are crack for the larger part: are they inverted?" in told("maps", "inverted")
    assert "are predictions and masks exchanged?" in told("masks", "maps")
