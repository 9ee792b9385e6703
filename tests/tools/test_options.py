"""The listing of options: all of them, each with its meaning, and a schema that options files satisfy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contracts.errors import UserError
from engine.options import Options
from tests.helpers.runs import ROOT
from tools.options import arguments, lines, main


def test_every_option_has_a_meaning() -> None:
    assert [path for path, _, _, meaning in lines([Options]) if not meaning] == []


def test_lines_tell_type_limits_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    main(["train.ema_decay", "datasets.val"])
    printed = capsys.readouterr().out
    assert "train.ema_decay                            float (>= 0, < 1), 0.0\n    moving average of weights" in printed
    assert "datasets.val.root                          file, required" in printed and "datasets.train" not in printed


def test_a_section_that_is_none() -> None:
    with pytest.raises(UserError, match="no option 'trains'; see python -m tools.options"):
        main(["trains"])


class Required:
    def __init__(self, width: int, depth: int = 2) -> None:
        """An argument without a default is shown by its name alone."""


def test_networks_and_losses_with_their_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--networks"])
    printed = capsys.readouterr().out
    assert "  dbpn                       stages: 4, width: 64, extractor_width: 256\n" in printed
    assert "network.type:\n  dsrl" in printed and "  boundary_combo " in printed and "kernel_side" not in printed
    assert arguments(Required) == "width, depth: 2"


def test_the_schema_knows_every_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--json", str(tmp_path / "schema.json")])
    schema = json.loads((tmp_path / "schema.json").read_text())
    train = schema["$defs"]["Train"]["properties"]
    assert set(schema["properties"]) == {*Options.model_fields, "base"} and "gradient_checkpointing" in train
    assert "yaml-language-server" in capsys.readouterr().out and not (ROOT / "options.schema.json").exists()


def test_options_files_satisfy_the_schema(tmp_path: Path) -> None:
    main(["--json", str(tmp_path / "schema.json")])
    schema = json.loads((tmp_path / "schema.json").read_text())
    required = [name for name, part in {"": schema, **schema["$defs"]}.items() if part.get("required")]
    assert required == []  # a file may leave to its base what is required of the whole
