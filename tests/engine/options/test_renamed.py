"""Old names of options: they work, a line names the new one, and both at once are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import UserError
from engine.options.load import load_options, parse_options
from engine.options.renamed import RENAMED
from tests.helpers.runs import TINY

OLD = "base: {base}\ntrain: {{recompute: true, accumulate: 2}}\n"


def test_old_names_mean_the_new_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "old.yml"
    file.write_text(OLD.format(base=TINY))
    train = load_options(file).train
    assert train.gradient_checkpointing and train.accumulate_grad_batches == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{file}: {old} is called {new} now; the old name still works" for old, new in RENAMED.items()]


def test_old_names_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert load_options(TINY, ["train:accumulate=2"]).train.accumulate_grad_batches == 2
    assert "train.accumulate is called train.accumulate_grad_batches now" in capsys.readouterr().out


def test_options_kept_in_weights_are_read_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    saved = load_options(TINY).model_dump(mode="json")
    saved["train"]["recompute"] = saved["train"].pop("gradient_checkpointing")
    assert parse_options(saved, "weights") == load_options(TINY) and "recompute" in saved["train"]
    assert capsys.readouterr().out == ""


def test_both_names_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "both.yml"
    file.write_text(f"base: {TINY}\ntrain: {{accumulate: 2, accumulate_grad_batches: 2}}\n")
    with pytest.raises(UserError, match="train.accumulate is the old name of train.accumulate_grad_batches; give one"):
        load_options(file)
