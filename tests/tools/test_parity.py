"""The parity tool: the weight rule, verdicts and exit codes, on fixtures made here."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from contracts.errors import UserError
from models.reference_keys import load_reference, reference_keys
from models.seg import PSPNet
from tests.helpers.errors import exit_line
from tools.parity import __main__ as tool
from tools.parity.verdict import judge
from tools.parity.weights import synthesise

NAME = "pspnet_resnet18"


@pytest.fixture(scope="module")
def fixtures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one small fixture made from our own network, one of an unknown network, and keys."""
    folder = tmp_path_factory.mktemp("fixtures")
    (folder / "keys").mkdir()
    network: nn.Module = PSPNet("resnet18").double().eval()
    own = network.state_dict()
    shapes = {key: list(own[name].shape) for key, name in reference_keys("pspnet", own).items()}
    listed = {key: [shape, "float32"] for key, shape in shapes.items()}
    (folder / "keys" / f"{NAME}.json").write_text(json.dumps(listed))
    load_reference("pspnet", network, synthesise(shapes))
    x = np.random.default_rng(0).standard_normal((1, 3, 32, 32))
    with torch.no_grad():
        logit = network(torch.as_tensor(x)).logits.numpy()
    np.savez(folder / f"{NAME}.npz", x=x, logit=logit)
    np.savez(folder / "mystery_net.npz", x=x)
    return folder


def run(fixtures: Path, *more: str) -> int:
    """The tool's exit code for a folder."""
    return tool.main(["--fixtures", str(fixtures), *more])


def test_passes_and_skips_by_name(fixtures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(fixtures) == 0
    _header, skipped, line = capsys.readouterr().out.splitlines()
    assert skipped == "skipped: mystery_net (not built yet)"
    assert line.split()[:2] == [NAME, "logit"] and line.endswith("ok")


def copied(fixtures: Path, folder: Path, **changes: np.ndarray) -> Path:
    """A folder whose fixture has some arrays replaced, with the same keys elsewhere."""
    with np.load(fixtures / f"{NAME}.npz") as arrays:
        np.savez(folder / f"{NAME}.npz", **{**arrays, **changes})
    return folder


def test_an_altered_output_fails(fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with np.load(fixtures / f"{NAME}.npz") as arrays:
        logit = arrays["logit"].copy()
    logit[0, 0, 3, 4] += 1e-6 * np.abs(logit).max()  # far above the float64 limit, below the float32 one
    assert run(copied(fixtures, tmp_path, logit=logit), "--keys", str(fixtures / "keys")) == 1
    assert f"1 failed: {NAME}" in capsys.readouterr().out


def test_other_keys_fail(fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = json.loads((fixtures / "keys" / f"{NAME}.json").read_text())
    keys["segmentation_model.surplus.weight"] = [[1], "float32"]
    (tmp_path / f"{NAME}.json").write_text(json.dumps(keys))
    assert run(fixtures, "--keys", str(tmp_path), "--only", NAME) == 1
    assert "1 unexpected (segmentation_model.surplus.weight)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [(["--only", "pspnet_resnet81"], f"did you mean '{NAME}'"), (["--keys", "nowhere", "--only", NAME], "no key list")],
)
def test_wrong_options_are_user_errors(fixtures: Path, more: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        run(fixtures, *more)


def test_unreadable_and_incomplete_fixtures_are_user_errors(fixtures: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no .npz files"):
        run(tmp_path)
    (tmp_path / f"{NAME}.npz").write_bytes(b"not an archive")
    with pytest.raises(UserError, match="cannot read fixture"):
        run(tmp_path)
    np.savez(tmp_path / f"{NAME}.npz", logit=np.zeros(1))
    with pytest.raises(UserError, match="has no array 'x'"):
        run(tmp_path, "--keys", str(fixtures / "keys"))


def test_a_bad_folder_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    line = exit_line(lambda: run(Path("no/such/folder")), capsys)
    assert line == "error: --fixtures: no folder no/such/folder\n"


def test_weight_rule_by_kind() -> None:
    keys = {
        "sr_model.a.weight": [4, 3, 2, 2],
        "segmentation_model.a.weight": [4, 3, 2, 2],
        "segmentation_model.slope.weight": [1],
        "segmentation_model.norm.weight": [5],
        "segmentation_model.norm.bias": [5],
        "segmentation_model.norm.running_mean": [5],
        "segmentation_model.norm.running_var": [5],
        "segmentation_model.norm.num_batches_tracked": [],
    }
    weights = synthesise(keys)
    seeds = {key: zlib.crc32(key.encode()) for key in keys}
    normal = {key: np.random.default_rng(seeds[key]).standard_normal(shape) for key, shape in keys.items()}
    factors = {"sr_model.a.weight": (2 / 12) ** 0.5, "segmentation_model.a.weight": (1 / 12) ** 0.5}
    for key, factor in factors.items():
        np.testing.assert_allclose(weights[key], factor * normal[key])
    _, _, slope, weight, bias, mean, variance, tracked = keys
    assert weights[slope].item() == 0.25 and weights[tracked].item() == 0 and weights[tracked].dtype == torch.int64
    np.testing.assert_allclose(weights[weight], 1 + 0.1 * normal[weight])
    np.testing.assert_allclose(weights[bias], 0.05 * normal[bias])
    np.testing.assert_allclose(weights[mean], 0.1 * normal[mean])
    np.testing.assert_allclose(weights[variance], 1 + 0.1 * np.abs(normal[variance]))


@pytest.mark.parametrize(
    ("ours", "passed"),
    [
        (np.array([2.0, 4.0]), True),
        (np.array([2.0, 4.0 + 3e-8]), True),
        (np.array([2.0, 4.0 + 5e-8]), False),
        (np.array([2.0, np.nan]), False),
        (np.array([[2.0, 4.0]]), False),
    ],
)
def test_verdicts(ours: np.ndarray, passed: bool) -> None:
    expected = np.array([2.0, 4.0])
    compared = {torch.float64: [("q", ours, expected)], torch.float32: [("q", expected, expected)]}
    (verdict,) = judge("f", compared, frozenset())
    assert verdict.passed is passed
    assert verdict.limits[torch.float64] == pytest.approx(4e-8)
    assert judge("f", compared, frozenset({("f", "q")}))[0].limits[torch.float64] == pytest.approx(4e-5)


def test_an_amplifying_quantity_has_a_wider_limit_in_float32_only() -> None:
    expected = np.array([2.0, 4.0])
    compared = {dtype: [("side_probs", expected, expected)] for dtype in (torch.float32, torch.float64)}
    (verdict,) = judge("crackformer", compared, frozenset())
    assert verdict.limits == pytest.approx({torch.float32: 8e-3, torch.float64: 4e-8})


def test_fixtures_of_the_reference_pass(shared: Path) -> None:
    """The quick ones; the paper-size network is compared in test_models_reference."""
    names = ("losses", "sr_losses", "metrics", "degradation", "pspnet_resnet34", "segnet")
    assert run(shared / "parity", "--only", *names) == 0
