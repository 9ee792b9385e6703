"""Every row of the paper's comparison trains, evaluates and predicts, at reduced size; and says what the paper says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny_runs import ROOT, run_here, train_here

from contracts.errors import UserError
from engine.build import build_loss, build_model
from engine.checkpoint import load_file, save_atomic
from engine.options import Options
from engine.options_file import load_options
from engine.stages import KINDS, Plan
from engine.step import set_trainable

PAPER = ROOT / "options" / "paper"
ROWS = sorted(path.stem for path in PAPER.glob("*.yml") if path.stem != "base")
STEPS = 20
REDUCED_RUN = (
    "datasets:train={type: synthetic, count: 4, seed: 1, size: 64, crop: 64, batch_size: 2, workers: 0}",
    "datasets:test={type: synthetic, count: 2, seed: 3, size: 64}",
    f"train:total_iter={STEPS}", "degradation:kernel_side=9", "val:val_freq=0",
    "evaluation:surface_step=50", "evaluation:panels=1", "wandb:mode=disabled",
)
REDUCED_NETWORKS = {
    "kbpn": {"stages": 2, "width": 8, "corrector_width": 4, "modulation_width": 8},
    "dbpn": {"stages": 2, "width": 8, "extractor_width": 8},
    "srcnet": {"width": 8, "groups": 1, "blocks": 2},
    "pspnet": {"encoder": "plain", "pretrained": "none", "width": 0.0625},
    "pspnet_blurskip": {"encoder": "plain", "pretrained": "none", "width": 0.0625},
    "unet": {"pretrained": "none", "width": 0.0625},
    "segnet": {"width": 0.0625},
    "crackformer": {"width": 16},
    "hrnet_ocr": {"width": 4, "pretrained": "none", "pixel_channels": 8, "context_channels": 4},
    "dsrl": {"encoder": "resnet18", "pretrained": "none", "width": 0.0625},
}


def row(name: str, *changes: str) -> Options:
    return load_options(PAPER / f"{name}.yml", changes)


def reductions(name: str, folder: Path) -> list[str]:
    """The ``--force_yml`` changes that make a row small: data, lengths of stages, widths of networks."""
    options = row(name)
    changes = [f"path:experiments_root={folder / 'experiments'}", *REDUCED_RUN]
    for index, stage in enumerate(options.train.stages):
        if stage.iterations is not None:
            changes.append(f"train:stages:{index}:iterations={STEPS // 5}")
    for section in ("network_sr", "network_seg", "network"):
        network = getattr(options, section)
        if network is not None:
            sizes = REDUCED_NETWORKS.get(network.type, {})
            changes += [f"{section}:{key}={value}" for key, value in sizes.items()]
            if network.weights is not None:
                changes.append(f"{section}:weights={folder / network.weights}")
    return changes


def leave_weights_to_start_from(name: str, folder: Path) -> None:
    """What an earlier row would have left, where a row starts from another's weights."""
    options = row(name)
    for network in (options.network_sr, options.network_seg, options.network):
        if network is not None and network.weights is not None:
            before = Path(network.weights).parts[1]
            options = row(before, *reductions(before, folder))
            save_atomic({"model": build_model(options, pretrained=False).state_dict()}, folder / network.weights)


@pytest.mark.parametrize("name", ROWS)
def test_row_trains_and_evaluates(name: str, tmp_path: Path) -> None:
    leave_weights_to_start_from(name, tmp_path)
    changes = reductions(name, tmp_path)
    options = row(name, *changes)
    train_here(options)
    latest = tmp_path / "experiments" / options.name / "models" / "latest.pth"
    assert load_file(latest, "step")["step"] == STEPS
    outcome = run_here("evaluate.py", "--weights", latest, cwd=tmp_path)
    assert outcome.code == 0, outcome.err
    results = json.loads((tmp_path / "experiments" / options.name / "results" / "results.json").read_text())
    for condition in options.evaluation.conditions:
        assert {"iou", "iou_max", "aiu", "hd95", "dice"} <= results[condition].keys()
        assert 0 <= results[condition]["aiu"] <= 1


def test_names_of_the_rows_differ() -> None:
    names = [row(name).name for name in ROWS]
    assert len(set(names)) == len(names)


# What the released configuration has (SPEC 12.5; the betas: its README), row by row.
@pytest.mark.parametrize(
    ("name", "beta"),
    [("csbsr_pspnet", 0.3), ("csbsr_unet", 0.3), ("csbsr_hrnet_ocr", 0.9), ("csbsr_crackformer", 0.9),
     ("cssr_pspnet", 0.7), *((f"beta_0{tenth}", tenth / 10) for tenth in range(1, 10))],
)  # fmt: skip
def test_schedule_of_the_paper(name: str, beta: float) -> None:
    options = row(name)
    plan = Plan(options, train_images=6 * 100)
    blind = options.network_sr.type == "kbpn"
    expected = {1: "sr_true_kernel", 10_001: "kernel", 20_001: "sr", 30_001: "joint", 700_000: "joint"}
    for step, stage in expected.items():
        assert plan.at(step).name == (stage if blind or stage == "joint" else "sr")
        assert plan.at(step).lr == plan.at(step).sr_lr == 2e-5
    assert plan.at(30_001).beta == plan.at(700_000).beta == pytest.approx(beta)
    assert plan.at(30_001).alpha == 1.0 and plan.at(700_000).alpha == 0.01


def test_released_ramp_of_beta() -> None:
    plan = Plan(row("beta_ramp"), train_images=6 * 100)
    for step in (30_001, 65_000, 100_000, 169_999, 170_000):
        assert plan.at(step).beta == pytest.approx((step - 30_000) / 140_000, rel=1e-9)
    assert plan.at(170_001).beta == plan.at(700_000).beta == 1.0
    once = Plan(row("csbsr_pspnet"), train_images=6 * 100)
    steps = range(30_001, 700_001, 997)
    assert [plan.at(step).alpha for step in steps] == [once.at(step).alpha for step in steps]


def test_weights_of_dsrl_stand_in_the_released_proportion() -> None:
    options = row("dsrl", "network:pretrained=none", "network:encoder=resnet18")
    beta, affinity = options.loss.beta, build_loss(options).affinity_weight
    assert (1 - beta) / beta == pytest.approx(0.5 / 1, rel=1e-6)
    assert affinity / beta == pytest.approx(0.5 / 1, rel=1e-6)


def test_blur_skip_trains_nothing_else(tmp_path: Path) -> None:
    name = "csbsr_pspnet_blur_skip"
    leave_weights_to_start_from(name, tmp_path)
    options = row(name, *reductions(name, tmp_path))
    train_here(options)
    before = load_file(tmp_path / options.network_sr.weights)["model"]
    after = load_file(tmp_path / "experiments" / options.name / "models" / "latest.pth")["model"]
    added = after.keys() - before.keys()
    assert added and all(key.startswith("seg.blur_skip.") for key in added)
    assert [key for key, value in before.items() if not torch.equal(value, after[key])] == []


@pytest.mark.parametrize("name", ["csbsr_pspnet", "cssr_pspnet", "dsrl"])
def test_row_starts_from_its_pretraining(name: str, tmp_path: Path) -> None:
    section = "network" if name == "dsrl" else "network_sr"
    options = row(name, *reductions(name, tmp_path))
    weights = Path(getattr(options, section).weights)
    before = weights.parts[-3]
    with pytest.raises(UserError) as caught:
        build_model(options)
    assert str(caught.value).startswith(f"{section}.weights: ")
    assert f"python train_joint.py -opt options/paper/{before}.yml" in str(caught.value)
    pretraining = row(before, *reductions(before, tmp_path))
    train_here(pretraining)
    trained, started = load_file(weights)["model"], build_model(options).state_dict()
    shared = [key for key in trained if key.startswith("sr." if section == "network_sr" else ("encoder.", "sr."))]
    assert shared and all(torch.equal(trained[key], started[key]) for key in shared)


def test_sr_stage_of_dsrl_leaves_its_segmentation(tmp_path: Path) -> None:
    options = row("pretrain_dsrl", *reductions("pretrain_dsrl", tmp_path))
    torch.manual_seed(0)
    model = build_model(options)
    set_trainable(model, KINDS["sr"])
    assert all(one.requires_grad for one in [*model.encoder.parameters(), *model.sr.parameters()])
    assert not any(one.requires_grad for one in model.seg.parameters())
