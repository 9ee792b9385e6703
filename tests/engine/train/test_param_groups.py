"""Stages: exactly the declared parts of the model change, and each stage optimises what it says."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from contracts.errors import UserError
from contracts.records import DegradedBatch
from engine.build.losses import build_loss
from engine.build.models import build_model
from engine.build.param_groups import build_optimizer
from engine.options import Options
from engine.options.load import load_options
from engine.options.training import sharp_of
from engine.train.build import build_schedule
from engine.train.stages import STAGE_SPECS, StepSchedule
from engine.train.step import Envelope, TrainStep, require_trainable, set_trainable
from models.joint import JointModel
from tests.helpers.batches import small_batch
from tests.helpers.runs import plan, tiny

JOINT = StepSchedule(1, 0, "joint", STAGE_SPECS["joint"], 0.7, 0.5, True, 1e-3, 1e-3)


@pytest.fixture(scope="module")
def network() -> JointModel:
    torch.manual_seed(0)
    options = tiny(Path("nowhere"), "joint:handover=true", "network_sr:stages=2")
    return build_model(options)


@pytest.fixture(scope="module")
def skipping() -> JointModel:
    """A model whose segmentation network has a blur skip."""
    torch.manual_seed(0)
    return build_model(tiny(Path("nowhere"), "network_seg={type: pspnet_blurskip, encoder: resnet18, width: 0.0625}"))


@pytest.fixture
def model(network: JointModel) -> JointModel:
    return copy.deepcopy(network)


@pytest.fixture(scope="module")
def batch() -> DegradedBatch:
    return small_batch()


def one_step(model: JointModel, batch: DegradedBatch, name: str, *changes: str) -> dict[str, Tensor]:
    """Take one optimiser step of a stage; return the terms of its loss."""
    alpha = "loss:alpha={schedule: constant, start: 0.8}"
    options = tiny(Path("nowhere"), alpha, f"train:stages=[{{name: {name}}}]", *changes)
    optimizer = build_optimizer(options, model)
    moment = build_schedule(options, 12).at(1)
    set_trainable(model, moment.spec, options.in_force.train_batchnorm)
    total, terms = TrainStep(model, build_loss(options))(Envelope(batch, moment))
    total.backward()
    optimizer.step()
    return terms


def part_of(model: JointModel) -> dict[str, str]:
    """The part ("sr", "kernel", "seg") that each parameter belongs to, by its name."""
    held = {id(parameter): part for part, parameters in model.param_groups().items() for parameter in parameters}
    return {name: held[id(parameter)] for name, parameter in model.named_parameters()}


def test_parts_cover_the_model_once(model: JointModel) -> None:
    grouped = [parameter for parameters in model.param_groups().values() for parameter in parameters]
    assert len({id(parameter) for parameter in grouped}) == len(grouped) == len(list(model.parameters()))
    places = part_of(model)
    assert {part for name, part in places.items() if name.startswith("sr.")} == {"sr", "kernel"}
    assert {part for name, part in places.items() if not name.startswith("sr.")} == {"seg"}
    assert any(name.startswith("handover.") for name in places)


@pytest.mark.parametrize("name", sorted(STAGE_SPECS.keys() - {"blur_skip", "sr4ir"}))
def test_exactly_the_declared_parts_change(model: JointModel, batch: DegradedBatch, name: str) -> None:
    before = copy.deepcopy(model.state_dict())
    places = part_of(model)
    one_step(model, batch, name, "train:optimizer={type: adamw, weight_decay: 0.1}")
    changed = {places[key] for key in places if not torch.equal(before[key], model.state_dict()[key])}
    assert changed == STAGE_SPECS[name].trains - {"skip", "encoder"}  # which a chain of two networks has not
    statistics = [key for key in before if key.endswith(("running_mean", "running_var"))]
    after = model.state_dict()
    moved = {key.split(".")[0] for key in statistics if not torch.equal(before[key], after[key])}
    assert moved == ({"seg"} if "seg" in STAGE_SPECS[name].trains else set())


@pytest.mark.parametrize("name", ["blur_skip", "seg"])
def test_blur_skip_trains_alone_or_with_the_segmentation(skipping: JointModel, batch: DegradedBatch, name: str) -> None:
    model = copy.deepcopy(skipping)
    before, places = copy.deepcopy(model.state_dict()), part_of(model)
    one_step(model, batch, name)
    after = model.state_dict()
    assert {places[key] for key in places if not torch.equal(before[key], after[key])} == STAGE_SPECS[name].trains
    moved = {key for key in before if "running" in key and not torch.equal(before[key], after[key])}
    assert moved and ({key.startswith("seg.blur_skip.") for key in moved} == {True}) == (name == "blur_skip")


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        ("sr_true_kernel", {"sr", "sr_image", "sr_lr", "sr_kernel"}),
        ("kernel", {"sr", "sr_image", "sr_lr", "sr_kernel"}),
        ("joint", {"sr", "sr_image", "sr_lr", "sr_kernel", "seg", "seg_main"}),
        ("seg", {"seg", "seg_main"}),
        ("seg_hr", {"seg", "seg_main"}),
        ("seg_bicubic", {"seg", "seg_main"}),
    ],
)
def test_a_stage_reports_what_it_optimises(model: JointModel, batch: DegradedBatch, name: str, terms: set) -> None:
    assert set(one_step(model, batch, name)) == terms


@pytest.mark.parametrize(
    ("sr", "stage"), [("kbpn", "blur_skip"), ("bicubic", "sr"), ("bicubic", "kernel"), ("dbpn", "kernel")]
)
def test_a_stage_with_nothing_to_train_is_refused(sr: str, stage: str) -> None:
    options = tiny(Path("nowhere"), f"network_sr={{type: {sr}}}", f"train:stages=[{{name: joint}}, {{name: {stage}}}]")
    with pytest.raises(UserError, match=f"train.stages.1: .*stage {stage} trains"):
        require_trainable(build_model(options), options.train.stages)


def test_oriented_weights_come_into_force_after_their_step() -> None:
    stages = "train:stages=[{name: sr, iterations: 30}, {name: joint}]"
    laid = plan("loss={fail_oriented: 1.0, oriented_from: 40}", stages)
    assert [laid.at(step).oriented for step in (1, 40, 41, 100)] == [False, False, True, True]


def test_alpha_of_the_paper_goes_on_in_a_second_joint_stage() -> None:
    stages_of_two = "train:stages=[{name: sr, iterations: 10}, {name: joint, iterations: 50}, {name: joint}]"
    stages_of_one = "train:stages=[{name: sr, iterations: 10}, {name: joint}]"
    alpha = "loss:alpha={schedule: paper}"
    parted, whole = (plan(alpha, stages) for stages in (stages_of_two, stages_of_one))
    assert [parted.at(step).alpha for step in range(1, 101)] == [whole.at(step).alpha for step in range(1, 101)]


def test_true_kernel_makes_the_kernel_term_vanish(model: JointModel, batch: DegradedBatch) -> None:
    assert float(one_step(model, batch, "sr_true_kernel")["sr_kernel"]) < 1e-10


def test_segmentation_alone_leaves_the_sr_network_alone(model: JointModel, batch: DegradedBatch) -> None:
    one_step(model, batch, "seg")
    assert all(parameter.grad is None for parameter in model.sr.parameters())
    assert all(parameter.grad is not None for parameter in model.seg.parameters())


def test_segmentation_trains_the_sr_network_when_joint(model: JointModel, batch: DegradedBatch) -> None:
    one_step(model, batch, "joint", "loss:beta=1.0")
    assert any(parameter.grad.abs().sum() > 0 for parameter in model.sr.parameters())


def test_hr_stage_ignores_the_degraded_input(model: JointModel, batch: DegradedBatch) -> None:
    dark = DegradedBatch(batch.lr * 0, batch.hr, batch.mask, batch.kernel, batch.name, batch.distance)
    same = copy.deepcopy(model)
    assert one_step(model, batch, "seg_hr")["seg"] == one_step(same, dark, "seg_hr")["seg"]


def test_bicubic_stage_sees_the_enlarged_input_alone(model: JointModel, batch: DegradedBatch) -> None:
    enlarged = functional.interpolate(batch.lr, scale_factor=4, mode="bicubic", align_corners=False)
    instead = DegradedBatch(batch.lr, enlarged, batch.mask, batch.kernel, batch.name, batch.distance)
    same = copy.deepcopy(model)
    assert one_step(model, batch, "seg_bicubic")["seg"] == one_step(same, instead, "seg_hr")["seg"]
    assert all(parameter.grad is None for parameter in model.sr.parameters())


def test_reference_leaves_batch_norm_scales_alone(model: JointModel, batch: DegradedBatch) -> None:
    layers = [layer for layer in model.seg.modules() if isinstance(layer, nn.BatchNorm2d)]
    before = [(layer.weight.clone(), layer.bias.clone(), layer.running_mean.clone()) for layer in layers]
    one_step(model, batch, "joint", "compat=reference")
    for layer, (weight, bias, mean) in zip(layers, before, strict=True):
        assert torch.equal(layer.weight, weight) and torch.equal(layer.bias, bias)
        assert not torch.equal(layer.running_mean, mean)
    one_step(model, batch, "joint", "compat=reference", "corrections:train_batchnorm=true")
    assert any(not torch.equal(layer.weight, kept[0]) for layer, kept in zip(layers, before, strict=True))


def test_teacher_adds_soft_targets_and_stays_as_it_is(model: JointModel, batch: DegradedBatch) -> None:
    options: Options = tiny(Path("nowhere"), "loss:alpha:schedule=constant")
    teacher = copy.deepcopy(model)
    before = copy.deepcopy(teacher.state_dict())
    set_trainable(model, STAGE_SPECS["joint"])
    step = TrainStep(model, build_loss(options), teacher_weight=2.0)
    moment = build_schedule(options, 12).at(1)
    plain, _ = step(Envelope(batch, moment))
    step.set_teacher(teacher)
    total, terms = step(Envelope(batch, moment))
    expected = plain.detach() + 2.0 * moment.beta * terms["teacher"]
    assert float(total.detach()) == pytest.approx(float(expected), rel=1e-5)
    total.backward()
    assert all(torch.equal(before[key], value) for key, value in teacher.state_dict().items())
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_sharp_photographs_stand_in_for_restored_ones(model: JointModel, batch: DegradedBatch) -> None:
    """Of two samples one is segmented as it is; the restoration learns from the other."""
    options = tiny(Path("nowhere"))
    set_trainable(model, STAGE_SPECS["joint"])
    seen: list[Tensor] = []
    hook = model.normalise.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].detach()))
    _, terms = TrainStep(model, build_loss(options), sharp=1)(Envelope(batch, JOINT))
    hook.remove()
    assert len(seen) == 1 and torch.equal(seen[0][0], batch.hr[0]) and not torch.equal(seen[0][1], batch.hr[1])
    error = (seen[0][1] - batch.hr[1]).abs().mean()
    torch.testing.assert_close(terms["sr_image"], error / 2)  # half of the samples have none


def test_sharp_photographs_have_no_kernel_to_skip_by(skipping: JointModel) -> None:
    with pytest.raises(UserError, match="needs a kernel"):
        TrainStep(skipping, build_loss(tiny(Path("nowhere"))), sharp=1)


@pytest.mark.parametrize(
    ("changes", "message"), [(["joint:handover=true"], "joint.handover"), (["train:stages=[{name: sr}]"], "no stage")]
)
def test_sharp_photographs_are_refused_where_they_cannot_be_segmented(changes: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_options("options/joint.yml", ["train:sharp_fraction=0.5", *changes])


@pytest.mark.parametrize(
    ("share", "batch", "parts", "message"),
    [(0.1, 4, 1, "none of the 4"), (0.9, 4, 1, "all of the 4"), (0.4, 4, 4, "none of the 1"), (0.5, 4, 2, None)],
)
def test_a_share_without_sharp_or_degraded_samples_is_refused(
    share: float, batch: int, parts: int, message: str | None
) -> None:
    """Silently it would train on something else than its options say."""
    changes = [
        f"train:sharp_fraction={share}",
        f"datasets:train:loader:batch_size={batch}",
        f"train:accumulate_grad_batches={parts}",
    ]
    if message is None:
        assert sharp_of(load_options("options/joint.yml", changes).train.sharp_fraction, batch // parts) == 1
        return
    with pytest.raises(UserError, match=f"train.sharp_fraction {share} takes {message} samples"):
        load_options("options/joint.yml", changes)
