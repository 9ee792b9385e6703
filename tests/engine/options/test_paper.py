"""Every row of the paper's comparison trains, evaluates and predicts, at reduced size; and says what the paper says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml

from benchmarks import scaling, train_step
from engine.build.losses import build_loss
from engine.build.models import build_model
from engine.options import Options
from engine.options.load import load_options
from engine.runtime.checkpoint import load_file, save_atomic
from engine.train.build import build_schedule
from tests.helpers.runs import ROOT, assert_error, run_here, run_well, train_here
from tools import sizes

PAPER = ROOT / "options" / "paper"
ROWS = sorted(path.stem for path in PAPER.glob("*.yml") if path.stem != "base")
PRETRAININGS = [name for name in ROWS if name.startswith("pretrain_")]
STEPS = 20
REDUCED_RUN = (
    (
        "datasets:train={type: synthetic, count: 4, seed: 1, size: 64, "
        "augmentation: {crop: 64}, loader: {batch_size: 2, workers: 0}}"
    ),
    "datasets:test={type: synthetic, count: 2, seed: 3, size: 64}",
    f"train:total_iter={STEPS}",
    "degradation:kernel_side=9",
    "val:val_freq=0",
    "evaluation:surface_step=50",
    "evaluation:panels=1",
    "wandb:mode=disabled",
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
    run_well("evaluate.py", "--weights", latest, cwd=tmp_path)
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
    plan = build_schedule(options, images=6 * 100)
    blind = options.network_sr.type == "kbpn"
    expected = {1: "sr_true_kernel", 10_001: "kernel", 20_001: "sr", 30_001: "joint", 700_000: "joint"}
    for step, stage in expected.items():
        assert plan.at(step).name == (stage if blind or stage == "joint" else "sr")
        assert plan.at(step).lr == plan.at(step).sr_lr == 2e-5
    assert plan.at(30_001).beta == plan.at(700_000).beta == pytest.approx(beta)
    assert plan.at(30_001).alpha == 1.0 and plan.at(700_000).alpha == 0.01


def test_released_ramp_of_beta() -> None:
    plan = build_schedule(row("beta_ramp"), images=6 * 100)
    for step in (30_001, 65_000, 100_000, 169_999, 170_000):
        assert plan.at(step).beta == pytest.approx((step - 30_000) / 140_000, rel=1e-9)
    assert plan.at(170_001).beta == plan.at(700_000).beta == 1.0
    once = build_schedule(row("csbsr_pspnet"), images=6 * 100)
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


# -- what comes before the rows -------------------------------------------------------------------


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all that comes before the rows has been trained."""
    folder = tmp_path_factory.mktemp("pretrained")
    for name in PRETRAININGS:
        train_here(row(name, *reductions(name, folder)))
    return folder


def trained(name: str, folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "experiments" / name / "models" / "latest.pth")["model"]


@pytest.mark.parametrize("name", [name for name in ROWS if name not in PRETRAININGS])
def test_networks_that_the_reference_pretrains_start_from_weights(name: str) -> None:
    options = row(name)
    restoring = options.network or options.network_sr
    before = {type_: f"pretrain_{type_}" for type_ in ("kbpn", "dbpn", "dsrl")}.get(restoring.type)
    before = "csbsr_pspnet_fail" if name == "csbsr_pspnet_blur_skip" else before
    assert restoring.weights == (before and f"experiments/{before}/models/latest.pth")


@pytest.mark.parametrize(("name", "before"), [("csbsr_pspnet", "kbpn"), ("cssr_pspnet", "dbpn"), ("dsrl", "dsrl")])
def test_row_begins_with_what_its_pretraining_ended_with(name: str, before: str, pretrained: Path) -> None:
    torch.manual_seed(7)
    started = build_model(row(name, *reductions(name, pretrained))).state_dict()
    ended = {
        key: value
        for key, value in trained(f"pretrain_{before}", pretrained).items()
        if key.startswith("sr.") or name == "dsrl"
    }
    assert ended and [key for key, value in ended.items() if not torch.equal(value, started[key])] == []


@pytest.mark.parametrize("name", PRETRAININGS)
def test_pretraining_leaves_the_segmentation_alone(name: str, pretrained: Path) -> None:
    """Of DSRL it trains the encoder, which both branches share, and the restoration."""
    options = row(name, *reductions(name, pretrained))
    torch.manual_seed(options.seed)
    start, end = build_model(options).state_dict(), trained(name, pretrained)
    changed = {key.split(".")[0] for key in start if not torch.equal(start[key], end[key])}
    assert changed == ({"encoder", "sr"} if options.network else {"sr"})


@pytest.mark.parametrize(
    ("name", "section", "before"),
    [("csbsr_unet", "network_sr", "kbpn"), ("cssr_pspnet", "network_sr", "dbpn"), ("dsrl", "network", "dsrl")],
)
def test_missing_weights_name_the_command_that_makes_them(name: str, section: str, before: str, tmp_path: Path) -> None:
    changes = reductions(name, tmp_path)
    outcome = run_here("train_joint.py", "-opt", PAPER / f"{name}.yml", "--force_yml", *changes, cwd=tmp_path)
    command = f"python train_joint.py -opt options/paper/pretrain_{before}.yml"
    assert_error(outcome, f"{section}.weights: ", "do not exist", command)
    assert not (tmp_path / "experiments").exists()


@pytest.mark.parametrize("name", PRETRAININGS)
def test_phases_of_the_pretraining(name: str) -> None:
    """The released defaults: SOLVER.MAX_ITER, SR_SR_MODULE_PRETRAIN_ITER and SR_KERNEL_MODULE_PRETRAIN_ITER."""
    plan = build_schedule(row(name), images=6 * 100)
    expected = {1: "sr", 50_000: "sr", 50_001: "sr", 100_000: "sr", 100_001: "sr", 300_000: "sr"}
    if name == "pretrain_kbpn":
        expected |= {1: "sr_true_kernel", 50_000: "sr_true_kernel", 50_001: "kernel", 100_000: "kernel"}
    assert {step: plan.at(step).name for step in expected} == expected
    assert plan.total == 300_000 and {plan.at(step).sr_lr for step in expected} == {1e-4}


@pytest.mark.parametrize("name", ["csbsr_pspnet", "dsrl"])
def test_measuring_a_row_needs_no_weights(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Speed, size and scaling are those of any weights: what only measures reads none."""
    monkeypatch.chdir(tmp_path)
    options = row(name, *reductions(name, tmp_path))
    file = tmp_path / "row.yml"
    file.write_text(yaml.safe_dump(options.model_dump(mode="json")))
    scaling.main(["-opt", str(file), "--estimate"])
    train_step.main(["-opt", str(file), "--batch", "2", "--crop", "32", "--rounds", "1", "--ceiling", "64"])
    printed = capsys.readouterr().out
    assert "MB of float32 gradients" in printed and "| ours, float32 |" in printed
    assert sizes.measure(options, side=16, runs=1).parameters > 0
