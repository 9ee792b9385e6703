"""Old names of options: they work, a line names the new one, and both at once are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import UserError
from engine.options.load import force, load_options, parse_options
from engine.options.renamed import of_today
from tests.helpers.runs import TINY

OLD = "base: {base}\ntrain: {{recompute: true, accumulate: 2}}\n"


def test_old_names_mean_the_new_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "old.yml"
    file.write_text(OLD.format(base=TINY))
    train = load_options(file).train
    assert train.gradient_checkpointing and train.accumulate_grad_batches == 2
    names = "train.recompute is train.gradient_checkpointing, train.accumulate is train.accumulate_grad_batches"
    assert capsys.readouterr().out == f"{file}: {names} now; the old way still works\n"


def test_old_names_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert load_options(TINY, ["train:accumulate=2"]).train.accumulate_grad_batches == 2
    assert "train.accumulate is train.accumulate_grad_batches now" in capsys.readouterr().out


def test_options_kept_in_weights_are_read_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    kept = load_options(TINY).model_dump(mode="json")
    kept["train"]["recompute"] = kept["train"].pop("gradient_checkpointing")
    assert parse_options(kept, "weights") == load_options(TINY) and "recompute" in kept["train"]
    assert capsys.readouterr().out == ""


def test_both_names_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "both.yml"
    file.write_text(f"base: {TINY}\ntrain: {{accumulate: 2, accumulate_grad_batches: 2}}\n")
    with pytest.raises(UserError, match="train.accumulate is the old name of train.accumulate_grad_batches; give one"):
        load_options(file)


# -- sections of photographs and losses -----------------------------------------------------------

FLAT = """
base: {base}
datasets:
  train: {{crop: 32, workers: 0, batch_size: 2, zoom: [0.5, 2], cache_mb: 7}}
loss: {{segmentation: combo, segmentation_args: {{bce_weight: 2.0}}}}
train: {{stages: [{{name: sr, share: 0.5}}, {{name: joint}}], sharp_share: 0.5}}
"""


def test_flat_options_of_photographs_and_losses_are_put_into_their_sections(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "flat.yml"
    file.write_text(FLAT.format(base=TINY))
    options = load_options(file)
    train = options.datasets.train
    assert (train.augmentation.crop, train.augmentation.zoom) == (32, [0.5, 2])
    assert (train.loader.batch_size, train.loader.workers, train.loader.cache_mb) == (2, 0, 7)
    assert options.loss.segmentation.type == "combo" and options.loss.segmentation.arguments() == {"bce_weight": 2.0}
    assert options.train.stages[0].fraction == 0.5 and options.train.sharp_fraction == 0.5
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["datasets:train:crop=64"], ["datasets:train:augmentation:crop=64"]),
        (["datasets:train:zoom:0=0.7"], ["datasets:train:augmentation:zoom:0=0.7"]),
        (
            ["datasets:train={type: folder, root: a, crop: 64, workers: 3}"],
            ["datasets:train={type: folder, root: a, augmentation: {crop: 64}, loader: {workers: 3}}"],
        ),
        (["train:stages:0:share=0.25"], ["train:stages:0:fraction=0.25"]),
        (["train:stages:0={name: sr, share: 0.25}"], ["train:stages:0={name: sr, fraction: 0.25}"]),
        (["loss:segmentation=dice"], ["loss:segmentation:type=dice"]),
        (["loss:segmentation_args={gamma: 2}", "loss:segmentation=wbce"], ["loss:segmentation={type: wbce, gamma: 2}"]),
        (["loss:segmentation_args:bce_weight=2"], ["loss:segmentation:bce_weight=2"]),
        (["loss:affinity=0.5", "loss:affinity_args:pool=2"], ["loss:affinity={weight: 0.5, pool: 2}"]),
    ],
)
def test_changes_written_in_the_old_way(old: list[str], new: list[str]) -> None:
    tree = {
        "datasets": {"train": {"count": 3, "augmentation": {"zoom": [0.5, 2], "crop": 32}}},
        "loss": {"segmentation": {"type": "combo", "bce_weight": 1}, "affinity": {}},
        "train": {"stages": [{"name": "sr", "fraction": 0.5}, {"name": "joint"}]},
    }
    assert force(tree, old) == force(tree, new)


def test_options_kept_by_earlier_versions_lose_what_their_photographs_have_not() -> None:
    entry = {"type": "folder", "root": "a", "count": None, "size": 448, "crack_free": 0.15, "seed": 3}
    kept = {
        "datasets": {"train": {**entry, "crop": 64}, "val": None, "test": {"count": 2, "root": None, "lists": None}}
    }
    datasets = of_today(kept)["datasets"]
    own = {"type": "folder", "root": "a", "count": None, "seed": 3}
    assert datasets == {"train": {**own, "augmentation": {"crop": 64}}, "val": None, "test": {"count": 2}}
    assert "size" in kept["datasets"]["train"]


def test_a_key_that_moved_into_a_section_is_found_by_a_misspelt_name() -> None:
    with pytest.raises(UserError, match=r"datasets.train.crops: unknown option \(did you mean 'augmentation.crop'\?\)"):
        load_options(TINY, ["datasets:train:crops=64"])
