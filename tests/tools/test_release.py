"""The measurement of a release, end to end on drawn photographs: figures as evaluate.py has them, files, mistakes."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contracts.errors import UserError
from degradations.frozen import to_uint8
from degradations.presets import build_pipeline
from engine.evaluate.evaluator import evaluation_image
from engine.predict.photo import Prediction
from tests.helpers.drawn_sets import COUNT, write_set
from tests.helpers.runs import TRAIN, run_well
from tools.release.__main__ import main
from tools.release.false_alarms import Alarms, crack_free, summary
from tools.release.sets import inputs_of, list_files, read_sets, spread
from tools.release.strangers import at_size, decide, iou_at_half, rule
from tools.release.systems import load_system
from tools.small_regions import region_areas


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root as the shared one: a folder of pairs, a list of four of them, and two crack-free photographs."""
    folder = tmp_path_factory.mktemp("real")
    write_set(folder / "drawn")
    (folder / "splits").mkdir()
    (folder / "splits" / "test_cfd.txt").write_text("".join(f"drawn/{number:03d}\n" for number in range(4)))
    (folder / "METU_labels" / "noncrack").mkdir(parents=True)
    for number in range(2):
        plain = Image.fromarray(np.full((48, 64, 3), 120 + number, np.uint8))
        plain.save(folder / "METU_labels" / "noncrack" / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def measured(photographs: Path, tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole report, the weights compared with themselves."""
    out = tmp_path_factory.mktemp("report") / "out"
    command = ["--weights", tiny_weights, "--against", f"same={tiny_weights}", "--root", photographs, "--out", out]
    main([*map(str, command), "--sets", "test_cfd", "--restore-count", "2"])
    return out


def content(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())


def test_figures_are_those_of_evaluate(measured: Path, photographs: Path, tiny_weights: Path, tmp_path: Path) -> None:
    test = f"datasets:test={{type: folder, root: {photographs}, lists: [splits/test_cfd.txt], seed: 5}}"
    command = ["evaluate.py", "--hr", "--degraded", "--weights", tiny_weights, "--out", tmp_path / "theirs"]
    run_well(*command, "--force_yml", test, cwd=tmp_path)
    theirs, ours = content(tmp_path / "theirs"), content(measured)
    for part, figures in ((ours, theirs), (ours["against"]["classical"], theirs["classical"])):
        for condition in ("hr", "clean", "degraded"):
            for name in ("dice", "iou", "recall", "cliou", "cliou_predicted", "iou_max", "aiu"):
                figure = part["sets"]["test_cfd"][condition][name]
                # Both normalise alike up to rounding; where that turns a pixel, its centreline moves most.
                tolerance = 1e-3 if name.startswith("cliou") else 1e-5
                assert figure["mean"] == pytest.approx(figures[condition][name], abs=tolerance), (condition, name)
                assert figure["low"] <= figure["mean"] <= figure["high"] and figure["images"] == 4
    assert ours["sets"]["test_cfd"]["clean"]["psnr"]["mean"] == pytest.approx(theirs["clean"]["psnr"], abs=0.05)


def test_what_a_report_holds(measured: Path, tiny_weights: Path) -> None:
    results = content(measured)
    assert set(results["sets"]["test_cfd"]) == {"hr", "clean", "degraded", "field"}
    assert results["weights"] == str(tiny_weights) and results["step"] == 1 and len(results["digest"]) == 64
    facts = results["data"]["test_cfd"]
    assert len(set(facts["inputs"].values())) == 4 and facts["images"] == 4
    same = results["against"]["same"]
    assert same["sets"] == results["sets"] and same["digest"] == results["digest"]
    difference = same["differences"]["test_cfd"]["field"]["iou"]
    assert [difference[key] for key in ("mean", "low", "high")] == [0, 0, 0]
    iou = {condition: figures["iou"]["mean"] for condition, figures in results["sets"]["test_cfd"].items()}
    assert results["ratios"]["test_cfd"]["degraded"]["iou"]["mean"] == pytest.approx(iou["degraded"] / iou["hr"])
    assert results["restore"]["test_cfd"]["native"]["auto"]["images"] == 2
    assert set(results["restore"]["test_cfd"]) == {"native", "clean", "degraded", "field"}
    assert set(results["false_alarms"]["systems"]) == {"model", "same", "classical"}
    assert results["false_alarms"]["systems"]["classical"]["-"]["1"]["photographs"]["mean"] == 0
    with (measured / "per_image.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 4 * 4  # systems, conditions, photographs
    mine = [float(row["iou"]) for row in rows if (row["system"], row["condition"]) == ("model", "field")]
    assert np.mean(mine) == pytest.approx(iou["field"])


def test_the_tables_show_the_figures(measured: Path) -> None:
    results, text = content(measured), (measured / "tables.md").read_text()
    iou = results["sets"]["test_cfd"]["degraded"]["iou"]
    line = next(line for line in text.splitlines() if line.startswith("| model, degraded |"))
    assert f"{iou['mean']:.3f} ({iou['low']:.3f} to {iou['high']:.3f})" in line
    for heading in ("## test_cfd", "## Sharp and degraded", "## Compared", "## `--restore`", "## False alarms"):
        assert heading in text
    widths = {line.count("|") for line in text.splitlines() if line.startswith("| ") and "model, " in line}
    assert len(widths) == 1


def test_an_earlier_report_is_kept(measured: Path, photographs: Path, tiny_weights: Path) -> None:
    command = ["--weights", str(tiny_weights), "--root", str(photographs), "--out", str(measured), "--sets", "test_cfd"]
    before = (measured / "results.json").read_bytes()
    with pytest.raises(UserError, match="results.json exists; give --overwrite"):
        main(command)
    with pytest.raises(UserError, match="--against model=x: the name is taken"):
        main([*command, "--overwrite", "--against", "model=x"])
    assert (measured / "results.json").read_bytes() == before


def test_photographs_that_were_trained_on_are_refused(photographs: Path, tmp_path: Path) -> None:
    changes = [f"datasets:train={{type: folder, root: {photographs / 'drawn'}, crop: 32, batch_size: 2}}"]
    run_well(*TRAIN, "train:total_iter=1", *changes, cwd=tmp_path)
    weights = tmp_path / "experiments" / "tiny" / "models" / "latest.pth"
    command = ["--weights", weights, "--root", photographs, "--sets", "test_cfd", "--out", tmp_path / "out"]
    more = ["--parts", "scores", "--conditions", "hr", "--count", "2"]
    with pytest.raises(UserError, match="^model, test_cfd: the weights were trained on 2 of these 2 photographs"):
        main([*map(str, command), *more])
    assert not (tmp_path / "out").exists()
    main([*map(str, command), *more, "--allow-training-photographs"])
    assert content(tmp_path / "out")["data"]["test_cfd"]["trained_on"] == 2


def test_inputs_are_the_papers_blur_whatever_the_weights_were_trained_with(measured: Path, photographs: Path) -> None:
    source = read_sets(photographs, list_files(photographs, ["test_cfd"], []))["test_cfd"]
    pipeline, digest = build_pipeline("kondo_ukita", quantise=True), hashlib.sha256()
    for index in range(4):
        hr = evaluation_image(source, index, 4).hr
        digest.update(to_uint8(pipeline(hr, (source.name(index),), 5, (0,)).lr)[0].tobytes())
    assert content(measured)["data"]["test_cfd"]["inputs"]["degraded"] == digest.hexdigest()
    with pytest.raises(UserError, match="unknown condition 'degrade'"):
        inputs_of(["degrade"], 4)


# -- sets -----------------------------------------------------------------------------------------


def test_sets_and_a_quick_look(photographs: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    own.write_text("drawn/004\ndrawn/005\n")
    sets = read_sets(photographs, list_files(photographs, ["test_cfd"], [("own", str(own))]), count=2)
    assert [[source.name(index) for index in range(len(source))] for source in sets.values()] == [
        ["drawn/000", "drawn/003"],
        ["drawn/004", "drawn/005"],
    ]
    assert spread(sets["own"], 9) is sets["own"]
    with pytest.raises(UserError, match="two sets of this name"):
        list_files(photographs, ["test_cfd"], [("test_cfd", "x")])


# -- the rule of auto -----------------------------------------------------------------------------


def test_the_plan_decides(tiny_weights: Path) -> None:
    system = load_system("model", str(tiny_weights))
    small = np.zeros((40, 40, 3), np.uint8)
    decided = decide(system, small, ("always", "never", "auto"))
    assert decided["always"] and not decided["never"] and decided["auto"] in (decided["always"], decided["never"])
    with pytest.raises(UserError, match="too few"):
        decide(system, np.zeros((4, 40, 3), np.uint8), ("auto",))


def test_every_prediction_is_compared_at_the_size_of_the_mask() -> None:
    coarse, fine = np.zeros((8, 10), np.float32), np.zeros((32, 40), np.float32)
    coarse[2:4], fine[8:16] = 1, 0.75
    assert at_size(Prediction(coarse, fine), (8, 10)) is coarse
    assert at_size(Prediction(coarse, fine), (32, 40)) is fine
    enlarged = at_size(Prediction(coarse, coarse), (32, 40))
    assert np.array_equal(enlarged >= 0.5, fine > 0)


def test_iou_at_half_counts_as_the_mask_of_predict() -> None:
    rng = np.random.default_rng(0)
    probability, mask = rng.random((20, 30)).astype(np.float32), rng.random((20, 30)) > 0.6
    probability[0, :5] = 0.5  # crack, as in predict.py
    found = probability >= 0.5
    expected = (found & mask).sum() / (found | mask).sum()
    assert iou_at_half(probability, mask) == pytest.approx(expected, abs=1e-6)


def test_the_rule_flags_what_is_short() -> None:
    def row(source: str, always: float, never: float, auto: float, restored: int) -> dict:
        return {"name": "x", "input": source, "always": always, "never": never, "auto": auto, "restored": restored}

    rows = [row("native", 0.2, 0.6, 0.6, 0), row("native", 0.4, 0.7, 0.4, 1), row("degraded", 0.5, 0.1, 0.495, 1)]
    verdicts = rule(rows)
    assert verdicts["native"]["short"] == pytest.approx(0.65 - 0.5) and not verdicts["native"]["kept"]
    assert verdicts["native"]["restored"] == 0.5 and verdicts["native"]["never"]["mean"] == pytest.approx(0.65)
    assert verdicts["degraded"]["short"] == pytest.approx(0.005) and verdicts["degraded"]["kept"]


# -- false alarms ---------------------------------------------------------------------------------


def test_false_alarms_are_counted_as_scikit_image_labels_them() -> None:
    from skimage.measure import label, regionprops

    masks = [np.zeros((20, 30), np.float32) for _ in range(3)]
    masks[0][2, 3] = 1  # a single pixel
    masks[0][10:20, 10:16] = 0.5  # 60 pixels, exactly at the threshold
    masks[1][[0, 1, 2], [0, 1, 2]] = 1  # one region, by its corners
    masks[1][15, 20:24] = 0.49  # below it
    for mask in masks:
        reference = sorted(region.area for region in regionprops(label(mask >= 0.5, connectivity=2)))
        assert sorted(region_areas(mask)) == reference
    alarms = summary([Alarms(region_areas(mask), 0.0006) for mask in masks], areas=(1, 50))
    assert alarms["1"]["photographs"]["mean"] == pytest.approx(2 / 3)
    assert alarms["50"]["photographs"]["mean"] == pytest.approx(1 / 3)
    assert alarms["1"]["regions_per_megapixel"]["mean"] == pytest.approx(3 / 0.0018)
    assert alarms["50"]["regions_per_megapixel"]["mean"] == pytest.approx(1 / 0.0018)


def test_crack_free_folders(photographs: Path, tmp_path: Path) -> None:
    folder = photographs / "drawn" / "images"
    assert len(crack_free([folder])) == COUNT
    assert [path.stem for path in crack_free([folder], 3)] == ["000", "002", "005"]
    with pytest.raises(UserError, match="--crack-free .*: no such folder"):
        crack_free([tmp_path / "none"])
