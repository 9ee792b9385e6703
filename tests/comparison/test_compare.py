"""compare.py from results to tables, and what it refuses."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from comparison.run import run
from comparison.runs import read_run, read_system
from contracts.files import write_table
from tests.helpers.errors import error_of
from tests.helpers.runs import TINY, assert_error, run_here, run_well

IMAGES = 60


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Path]:
    """Make a folder of results: per_image.csv of 60 photographs in two draws, and what was measured."""

    def make(name: str, gain: float = 0.0, seed: int = 0, fold: int = 0, **protocol: object) -> Path:
        random, own = np.random.default_rng(0), np.random.default_rng(seed + 1)
        base, width, blur = (
            random.uniform(0.3, 0.7, IMAGES),
            random.uniform(1, 12, IMAGES),
            random.uniform(0, 4, (IMAGES, 2)),
        )
        rows = [
            {
                "system": system,
                "condition": "degraded",
                "name": f"{'AB'[i % 2]}/{fold * IMAGES + i:03d}",
                "draw": draw,
                "crack_width": width[i] if i % 10 else "",
                "blur_sigma": blur[i, draw],
                "noise_sigma": 0.01 if draw else 0.03,
                "jpeg_quality": 100 if i < 30 else 40,
                "iou": base[i] + (gain if system == "model" else -0.2) + own.normal(0, 0.02),
                "hd95": 30 - 100 * gain + own.normal(),
                "hd95_at_threshold": 30 - 100 * gain + own.normal(),
                "psnr": 25 + own.normal(),
                "true_positives": 10 + i,
                "false_positives": 5,
                "false_negatives": 5,
                "true_negatives": 100,
            }
            for system in ("model", "classical")
            for draw in (0, 1)
            for i in range(IMAGES)
        ]
        folder = tmp_path / name / "results"
        write_table(folder / "per_image.csv", rows)
        meta = {
            "seed": seed,
            "step": 10,
            "protocol": {"photographs": "f", "images": IMAGES, "degradation": {"seed": 3, "draws": 2}, **protocol},
        }
        (folder / "results.json").write_text(json.dumps({"meta": meta}))
        return tmp_path / name

    return make


def test_a_gain_is_found_and_broken_down(
    made: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    a, b = made("a"), made("b", gain=0.05, seed=1)
    comparison = run([f"bicubic={a}", f"joint={b}"], out=tmp_path / "out", resamples=500)
    text = capsys.readouterr().out
    rows = {row.metric: row for row in comparison.rows}
    assert rows["iou"].verdict == "better" and rows["iou"].difference.estimate == pytest.approx(0.05, abs=0.01)
    assert rows["psnr"].verdict == "tie"
    assert "## degraded" in text and "### IoU by data set" in text and "one training each" in text
    by = {(row.by, row.stratum): row.difference.images for row in comparison.breakdown}
    assert by["data set", "A"] == by["data set", "B"] == IMAGES / 2 and by["crack width", "no crack"] == 6
    assert sum(count for (kind, _), count in by.items() if kind == "crack width") == IMAGES
    assert by["noise sigma", "0 to 0.015"] == by["noise sigma", "0.025 to 0.04"] == IMAGES  # a draw in each
    assert by["JPEG quality", "0 to 55"] == by["JPEG quality", "100 or more"] == IMAGES / 2
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"comparison.md", "comparison.csv", "comparison.tex", "comparison.json", "intervals.png"}
    with (tmp_path / "out" / "comparison.csv").open(newline="") as file:
        first = next(csv.DictReader(file))
    assert float(first["estimate"]) == rows["iou"].difference.estimate and first["verdict"] == "better"
    assert "no picture of the disagreement" in text  # no maps were kept
    latex = (tmp_path / "out" / "comparison.tex").read_text()
    assert latex.count(r"\\") == 1 + len(comparison.rows) and r"\bottomrule" in latex
    assert np.asarray(Image.open(tmp_path / "out" / "intervals.png")).ndim == 3


def test_all_pairs_seeds_and_baselines(made: Callable[..., Path]) -> None:
    folders = [made(f"s{seed}", seed=seed) for seed in range(4)]
    systems = [f"x={folders[0]},{folders[1]}", f"y={folders[2]},{folders[3]}", f"classical={folders[0]}:classical"]
    comparison = run(systems, metrics=["iou", "iou_pooled"], all_pairs=True, resamples=500)
    verdicts = {(row.system, row.reference): row.verdict for row in comparison.rows if row.metric == "iou"}
    assert verdicts["y", "x"] == "tie" and verdicts["classical", "y"] == "worse" and len(verdicts) == 3
    pooled = next(row for row in comparison.rows if row.metric == "iou_pooled")
    true_positives = sum(10 + i for i in range(IMAGES))
    assert pooled.difference.system == pytest.approx(true_positives / (true_positives + 10 * IMAGES))
    assert any("cannot give a p below 0.33" in warning for warning in comparison.warnings)


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        ({"photographs": "g"}, ["photographs", '"f"', '"g"']),
        ({"degradation": {"seed": 4, "draws": 2}}, ["degradation.seed", "3", "4"]),
        ({"rules": {"percentile": 50.0}}, ["rules"]),
    ],
)
def test_other_measurements_are_refused(made: Callable[..., Path], protocol: dict, words: list[str]) -> None:
    message = error_of(run, [f"a={made('a')}", f"b={made('b', **protocol)}"])
    assert all(word in message for word in ["not measured alike", *words])


def test_what_cannot_be_read_or_compared(made: Callable[..., Path], tmp_path: Path) -> None:
    a, b = made("a"), made("b")
    assert "no results.json" in error_of(run, [f"a={a}", f"b={tmp_path / 'none'}"])
    assert "two systems are called 'a'" in error_of(run, [f"a={a}", f"a={b}"])
    assert "given twice" in error_of(run, [f"a={a}", f"b={b},{b / 'results'}"])
    assert "no folder is given" in error_of(run, ["a=", f"b={b}"]) and "no folder" in error_of(
        run, [f"a={a}", f"b={b}+"]
    )
    assert "--resamples 0" in error_of(lambda: run([f"a={a}", f"b={b}"], resamples=0))
    table = tmp_path / "groups.tsv"
    table.write_text("dataset\tstem\tgroup\nC\t001\tx\n")
    assert "names none of the photographs" in error_of(lambda: run([f"a={a}", f"b={b}"], groups=table))
    assert "LABEL=FOLDER" in error_of(run, [f"a={a}", str(b)])
    assert "at least two" in error_of(run, [f"a={a}"])
    assert "--clean" in error_of(run, [f"a={a}", f"b={b}"], ["clean"])
    assert "there are hd95, hd95_at_threshold, iou, iou_pooled" in error_of(run, [f"a={a}", f"b={b}"], [], ["diec"])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    assert "something else" in error_of(lambda: run([f"a={a}", f"b={b}"], out=tmp_path / "full"))
    table = b / "results" / "per_image.csv"
    table.write_text(table.read_text()[:2000])
    assert "of 60 photographs under degraded" in error_of(read_system, f"b={b}")
    results = json.loads((b / "results" / "results.json").read_text())
    del results["meta"]["protocol"]
    (b / "results" / "results.json").write_text(json.dumps(results))
    assert "evaluate.py on it again" in error_of(run, [f"a={a}", f"b={b}"])


def test_lower_is_better_and_nothing_undefined_is_written(made: Callable[..., Path], tmp_path: Path) -> None:
    """hd95 of the fixture falls with the gain: better, as is its twin at another threshold; there is no NaN."""
    comparison = run(
        [f"a={made('a')}", f"b={made('b', gain=0.05, seed=1)}"],
        metrics=["hd95_at_threshold", "hd95"],
        resamples=200,
        out=tmp_path / "out",
    )
    assert {row.verdict for row in comparison.rows} == {"better"}
    written = json.loads((tmp_path / "out" / "comparison.json").read_text(), parse_constant=pytest.fail)
    assert all(row["better_on"] > 0.9 for row in written["rows"] if not row["by"])
    assert written["systems"]["a"].endswith("/a") and "NaN" not in (tmp_path / "out" / "comparison.csv").read_text()


def test_folders_with_dividing_characters(made: Callable[..., Path]) -> None:
    comparison = run(
        [f"a={made('lr=1e-3')}", f"b={made('x+y,z:2', gain=0.05, seed=1)}"], metrics=["iou"], resamples=200
    )
    assert comparison.rows[0].verdict == "better"


def test_names_that_look_like_formulas_are_read_as_they_are(made: Callable[..., Path]) -> None:
    """Marked as tables mark them, and bare, as earlier versions wrote them."""
    folder = made("a")
    table = folder / "results" / "per_image.csv"
    plain = table.read_text()
    for written in ("'-A/", "-A/"):
        table.write_text(plain.replace(",A/", f",{written}"))
        assert read_run(folder).conditions["degraded"].names[:2] == ("-A/000", "B/001")


def test_a_lost_draw_is_no_zero(made: Callable[..., Path]) -> None:
    folder = made("a")
    table = folder / "results" / "per_image.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    assert "119 rows for 60 photographs" in error_of(read_system, f"a={folder}:classical")


def test_from_evaluations_to_the_picture(tiny_weights: Path, tmp_path: Path) -> None:
    """Two weights in two draws each: facts of the photographs, maps, and where the two disagree."""
    content = torch.load(tiny_weights, weights_only=True)
    generator = torch.Generator().manual_seed(0)
    for state in (value for value in content.values() if isinstance(value, dict)):
        for tensor in (value for value in state.values() if isinstance(value, Tensor) and value.is_floating_point()):
            tensor += 0.05 * torch.randn(tensor.shape, generator=generator)
    torch.save(content, tmp_path / "other.pth")
    for name, weights in (("a", tiny_weights), ("b", tmp_path / "other.pth")):
        evaluated = ["-opt", TINY, "--weights", weights, "--degraded", "--draws", 2, "--maps", "--out", tmp_path / name]
        run_well("evaluate.py", *evaluated, cwd=tmp_path)
    with (tmp_path / "a" / "per_image.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["system"] == "model"]
    draws = {(row["condition"], row["draw"]) for row in rows}
    assert draws == {("clean", "0"), ("degraded", "0"), ("degraded", "1")}
    blurs = [row["blur_sigma"] for row in rows if row["condition"] == "degraded"]
    assert len(set(blurs)) == len(blurs)  # every photograph and draw has a blur of its own
    maps = sorted((tmp_path / "a" / "maps" / "degraded").rglob("*.png"))
    assert len(maps) == len(blurs) / 2
    systems = [f"a={tmp_path / 'a'}", f"b={tmp_path / 'b'}"]
    run_well("compare.py", *systems, "--resamples", 200, "--out", tmp_path / "c", cwd=tmp_path)
    sheet = np.asarray(Image.open(tmp_path / "c" / "disagreement_1.png"))
    assert sheet.shape[1] > 900 and len(np.unique(sheet.reshape(-1, 3), axis=0)) > 100
    refused = run_here("compare.py", *systems, "--condition", "clean", "--metric", "kernel_psnrr", cwd=tmp_path)
    assert_error(refused, "not measured under clean")
    refused = run_here("compare.py", systems[0], f"b={tmp_path}", cwd=tmp_path)
    assert_error(refused, "no results.json")


def test_a_rendered_set_has_one_draw(tiny_weights: Path, tmp_path: Path) -> None:
    arguments = ("-opt", TINY, "--weights", tiny_weights, "--degraded", "--draws", 2)
    frozen = run_here("evaluate.py", *arguments, "--force_yml", f"datasets:test:frozen={tmp_path}", cwd=tmp_path)
    assert_error(frozen, "evaluation.draws 2")


def test_folds_of_a_cross_validation(made: Callable[..., Path]) -> None:
    """Two folds of 60 photographs each count as one training that was tested on 120."""
    a, b = (
        [made(f"{name}{fold}", gain, seed, fold) for fold in (0, 1)]
        for name, gain, seed in (("a", 0, 0), ("b", 0.05, 1))
    )
    comparison = run([f"a={a[0]}+{a[1]}", f"b={b[0]}+{b[1]}"], metrics=["iou"], resamples=200)
    (row,) = comparison.rows
    assert row.difference.images == 2 * IMAGES and row.verdict == "better"
    assert len(comparison.systems[0].runs) == 1 and len(comparison.systems[0].runs[0].folds) == 2
    assert "'A/000' was tested in two folds" in error_of(run, [f"a={a[0]}+{b[0]}", f"b={b[0]}"])
    other = made("other", fold=1, degradation={"seed": 9, "draws": 2})
    assert "are no folds of one training: degradation.seed" in error_of(run, [f"a={a[0]}+{other}", f"b={b[0]}"])


class StoredRun:
    """What wandb.Api gives of a run, its files in a folder. No W&B server is at hand in tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, name: str) -> StoredRun:
        self.name = name
        return self

    def download(self, root: str, replace: bool) -> None:
        shutil.copy(self.folder / self.name, Path(root) / self.name)


def test_runs_of_wandb(made: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folders = {"team/crack/a1": made("a") / "results", "team/crack/b2": made("b", gain=0.05, seed=1) / "results"}
    api = type("Api", (), {"run": lambda self, path: StoredRun(folders[path])})
    monkeypatch.setattr("wandb.Api", api)
    comparison = run(
        ["a=wandb:team/crack/a1", "b=wandb:team/crack/b2", "c=wandb:team/crack/a1:classical"], resamples=200
    )
    assert [row.verdict for row in comparison.rows if row.metric == "iou"] == ["better", "worse"]
    assert "wandb login" in error_of(run, ["a=wandb:team/crack/a1", "b=wandb:team/crack/none"])
    assert "baseline 'clasical'" in error_of(run, ["a=wandb:team/crack/a1:clasical", "b=x"])
