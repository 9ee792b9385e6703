"""Feature distillation: the encoder that sees restored images learns what a teacher's sees in the true ones."""

from __future__ import annotations

import copy
import math
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from contracts.errors import ArgumentError
from contracts.records import DegradedBatch, JointOutput
from engine.build.losses import build_loss
from engine.build.models import build_model
from engine.build.param_groups import build_optimizer
from engine.train.build import build_schedule
from engine.train.step import Envelope, TrainStep, set_trainable
from models.joint import JointModel
from tests.helpers.batches import small_batch
from tests.helpers.run_records import assert_same_run, experiment, load, log_of
from tests.helpers.runs import option_error, plan, tiny, train_here, train_until

ON = "loss:distillation={weight: 2.0, final: 0.25}"
CONSTANT = "loss:alpha={schedule: constant, start: 0.8}"
FROM = "train:teacher=x"


@pytest.fixture(scope="module")
def networks() -> tuple[JointModel, JointModel]:
    torch.manual_seed(0)
    return build_model(tiny(Path("nowhere"))), build_model(tiny(Path("nowhere")))


@pytest.fixture
def pair(networks: tuple[JointModel, JointModel]) -> tuple[JointModel, JointModel]:
    """A model and its teacher."""
    return copy.deepcopy(networks)


@pytest.fixture(scope="module")
def batch() -> DegradedBatch:
    return small_batch()


def losses(
    pair: tuple[JointModel, JointModel], batch: DegradedBatch, *changes: str, stage: str = "joint", step: int = 1
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss and terms of a step of a stage, at its beginning."""
    model, teacher = pair
    stages = f"train:stages=[{{name: {stage}, iterations: 4}}, {{name: joint}}]"
    options = tiny(Path("nowhere"), CONSTANT, stages, *([FROM] if changes else []), *changes)
    module = TrainStep(model, build_loss(options), options.loss.teacher_weight)
    module.set_teacher(teacher)
    moment = build_schedule(options, 12).at(step)
    set_trainable(model, moment.spec)
    return module(Envelope(batch, moment))


# -- the weight -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("linear", [2.0, 1.625, 1.25, 0.875, 0.5]),
        ("cosine", [2.0, 0.5 + 0.75 * (1 + math.sqrt(0.5)), 1.25, 0.5 + 0.75 * (1 - math.sqrt(0.5)), 0.5]),
        ("constant", [2.0] * 5),
    ],
)
def test_the_weight_decays_over_each_stage(schedule: str, expected: list[float]) -> None:
    final = "" if schedule == "constant" else ", final: 0.25"
    chosen = f"loss:distillation={{weight: 2.0, schedule: {schedule}{final}}}"
    laid = plan(chosen, FROM, "train:stages=[{name: joint, iterations: 5}, {name: seg}]")
    assert [laid.at(step).distillation for step in range(1, 6)] == pytest.approx(expected)
    assert [laid.at(step).distillation for step in (6, 100)] == pytest.approx([expected[0], expected[-1]])
    assert {plan().at(step).distillation for step in (1, 50, 100)} == {0.0}


def test_a_stage_of_one_step_has_the_whole_weight() -> None:
    laid = plan(ON, FROM, "train:stages=[{name: joint, iterations: 1}, {name: seg}]")
    assert laid.at(1).distillation == 2.0


# -- the term -------------------------------------------------------------------------------------


def normalised(image: Tensor) -> Tensor:
    mean, variance = image.mean((2, 3), keepdim=True), image.var((2, 3), correction=0, keepdim=True)
    return (image - mean) / (variance + 1e-5).sqrt()


def test_the_term_is_the_distance_of_both_encoders_features(pair, batch: DegradedBatch) -> None:
    """In float64: batch norm over two values, as at the deepest level of such crops, amplifies rounding."""
    model, teacher = (network.double() for network in pair)
    tensors = {field.name: getattr(batch, field.name) for field in fields(batch)}
    batch = DegradedBatch(
        **{key: value.double() if torch.is_tensor(value) else value for key, value in tensors.items()}
    )
    untouched = copy.deepcopy(model)
    total, terms = losses(pair, batch, ON)
    plain, _ = losses((untouched, teacher), batch)
    with torch.no_grad():
        restored = model.sr(batch.lr).sr
        student = model.seg.encoder.train()(normalised(restored))
        target = teacher.seg.encoder.eval()(normalised(batch.hr))
    ratios = []
    for one, other in zip(student, target, strict=True):
        a, b = one.double().numpy(), other.double().numpy()
        ratios += [np.square(a[i] - b[i]).mean() / (np.square(b[i]).mean() + 1e-6) for i in range(2)]
    assert len(ratios) == 10 and float(terms["distillation"]) == pytest.approx(np.mean(ratios), rel=1e-6)
    expected = float(plain.detach()) + 2.0 * 0.5 * float(terms["distillation"])  # 0.5: beta
    assert float(total.detach()) == pytest.approx(expected, rel=1e-5)


def test_it_trains_both_networks_and_leaves_the_teacher(pair, batch: DegradedBatch) -> None:
    model, teacher = pair
    before = copy.deepcopy(teacher.state_dict())
    gradients = {}
    for on in (False, True):
        model.zero_grad(set_to_none=True)
        losses(pair, batch, *([ON] if on else []))[0].backward()
        gradients[on] = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    differing = {
        name for name, gradient in gradients[True].items() if not torch.equal(gradient, gradients[False][name])
    }
    assert any(name.startswith("sr.") for name in differing)
    assert any(name.startswith("seg.encoder.") for name in differing)
    assert not any(name.startswith("seg.head.") for name in differing)
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert all(torch.equal(before[key], value) for key, value in teacher.state_dict().items())


def test_off_it_changes_nothing(pair, batch: DegradedBatch) -> None:
    model, teacher = pair
    twin = copy.deepcopy(model)
    total, terms = losses(pair, batch, "loss:teacher_weight=0.5")
    beside, others = losses((twin, teacher), batch, ON, "loss:teacher_weight=0.5")
    assert set(others) - set(terms) == {"distillation"}
    assert all(torch.equal(terms[name], others[name]) for name in terms) and not torch.equal(total, beside)
    running = {key for key in model.state_dict() if "running" in key or "tracked" in key}
    assert all(torch.equal(model.state_dict()[key], twin.state_dict()[key]) for key in running)  # one forward


@pytest.mark.parametrize(
    ("stage", "step", "there"),
    [
        ("seg", 1, True),
        ("seg_bicubic", 1, True),
        ("seg_hr", 1, False),
        ("sr", 1, False),
        ("sr4ir", 1, False),
        ("sr4ir", 2, True),
    ],
)
def test_stages_that_train_the_segmentation_on_restored_images_have_it(
    pair, batch: DegradedBatch, stage: str, step: int, there: bool
) -> None:
    total, terms = losses(pair, batch, ON, stage=stage, step=step)
    assert ("distillation" in terms) == there
    if there and stage != "sr4ir":  # alone the segmentation has no beta
        assert float(total.detach()) == pytest.approx(float(terms["seg"] + 2.0 * terms["distillation"]), rel=1e-5)


def test_a_batch_with_sharp_photographs_has_it(pair, batch: DegradedBatch) -> None:
    model, teacher = pair
    options = tiny(Path("nowhere"), CONSTANT, FROM, ON)
    module = TrainStep(model, build_loss(options), sharp=1)
    module.set_teacher(teacher)
    set_trainable(model, build_schedule(options, 12).at(1).spec)
    assert "distillation" in module(Envelope(batch, build_schedule(options, 12).at(1)))[1]


def test_a_network_that_hands_nothing_on_is_named(pair, batch: DegradedBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = JointModel.forward

    def silent(*arguments: object) -> JointOutput:
        output = forward(*arguments)
        return JointOutput(output.sr, output.kernel, output.logits)

    monkeypatch.setattr(JointModel, "forward", silent)
    with pytest.raises(ArgumentError, match="^FPN hands on no features"):
        losses(pair, batch, ON)


# -- whole trainings ------------------------------------------------------------------------------


def test_training_brings_the_features_together(pair, batch: DegradedBatch) -> None:
    model, _ = pair
    optimizer = build_optimizer(tiny(Path("nowhere"), "train:optimizer:lr=1e-2"), model)
    found = []
    for _ in range(30):
        optimizer.zero_grad(set_to_none=True)
        total, terms = losses(pair, batch, ON)
        total.backward()
        optimizer.step()
        found.append(float(terms["distillation"]))
    assert found[-1] < 0.8 * found[0]


def with_features(folder: Path, *changes: str) -> tuple:
    return tiny(
        folder,
        ON,
        *changes,
        "train:total_iter=8",
        "network_seg:dropout=0.3",
        "train:stages=[{name: seg_hr, iterations: 3}, {name: joint}]",
        "logger={print_freq: 4, save_checkpoint_freq: 3}",
    )


def test_resumed_with_the_teacher_that_it_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train_here(with_features(whole))
    assert ["train/distillation" in entry for entry in log_of(whole)] == [False, True, True]
    assert not any("train/teacher" in entry for entry in log_of(whole))
    train_until(with_features(stopped), 8, monkeypatch)
    assert load(experiment(stopped).state)["step"] == 6
    train_here(with_features(stopped), auto_resume=True)
    assert_same_run(whole, stopped)


def test_resumed_with_the_teacher_that_took_the_place_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state holds it, though the first teacher could be read again."""
    train_here(with_features(tmp_path / "first"))
    file = f"train:teacher={experiment(tmp_path / 'first').latest}"
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train_here(with_features(whole, file))
    train_until(with_features(stopped, file), 8, monkeypatch)
    train_here(with_features(stopped, file), auto_resume=True)
    assert_same_run(whole, stopped)


def test_it_needs_a_teacher_and_an_encoder() -> None:
    assert "loss.distillation needs train.teacher, or a stage seg_hr" in option_error("loss:distillation:weight=0.5")
    both = ("network={type: dsrl}", "network_sr=null", "network_seg=null", "train:stages=[{name: joint}]")
    assert "loss.distillation compares" in option_error(*both, FROM, "loss:distillation:weight=0.5")
