"""The stage sr4ir: the two networks learn by turns, one by the other's eyes."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path

import pytest
import torch
from torch import Tensor

from contracts.errors import UserError
from contracts.records import DegradedBatch
from engine.build.losses import build_loss
from engine.build.models import build_model
from engine.build.param_groups import build_optimizer
from engine.train.build import build_schedule
from engine.train.step import Envelope, TrainStep, require_trainable, set_trainable
from engine.train.task_driven import TaskDriven
from models.joint import JointModel
from tests.helpers.batches import small_batch
from tests.helpers.processes import TORCHRUN, finish, start
from tests.helpers.run_records import assert_same_run, experiment, load, log_of
from tests.helpers.runs import TRAIN, option_error, plan, tiny, train_here, train_until

STAGE = "train:stages=[{name: sr4ir}]"
CONSTANT = "loss:alpha={schedule: constant, start: 0.8}"
NO_WARMUP = "loss:task_driven={weight: 0.5, warmup: 0.0}"


@pytest.fixture(scope="module")
def network() -> JointModel:
    torch.manual_seed(0)
    return build_model(tiny(Path("nowhere")))


@pytest.fixture
def model(network: JointModel) -> JointModel:
    return copy.deepcopy(network)


@pytest.fixture(scope="module")
def batch() -> DegradedBatch:
    return small_batch()


class Steps:
    """Takes steps of the stage, with one optimiser and whatever it remembers."""

    def __init__(self, model: JointModel, *changes: str, task_driven: TaskDriven | None = None) -> None:
        options = tiny(Path("nowhere"), CONSTANT, STAGE, "train:total_iter=100", *changes)
        self.schedule, self.optimizer = build_schedule(options, 12), build_optimizer(options, model)
        self.module = TrainStep(model, build_loss(options), task_driven=task_driven)
        self.model = model

    def loss(self, batch: DegradedBatch, number: int) -> tuple[Tensor, dict[str, Tensor]]:
        moment = self.schedule.at(number)
        set_trainable(self.model, moment.spec)
        return self.module(Envelope(batch, moment))

    def take(self, batch: DegradedBatch, number: int) -> dict[str, Tensor]:
        self.optimizer.zero_grad(set_to_none=True)
        total, terms = self.loss(batch, number)
        total.backward()
        self.optimizer.step()
        return terms


# -- turns ----------------------------------------------------------------------------------------


def test_turns_are_a_function_of_the_step_within_the_stage() -> None:
    laid = plan("train:stages=[{name: sr, iterations: 3}, {name: sr4ir, iterations: 4}, {name: joint}]")
    turns = [laid.at(step).spec for step in (7, 6, 5, 4)][::-1]
    assert [sorted(turn.trains) for turn in turns] == [["kernel", "sr"], ["seg"]] * 2
    assert [turn.segments for turn in turns] == [False, True] * 2
    assert laid.at(8).spec.trains > {"sr", "seg"} and laid.at(3).spec.trains == {"sr", "kernel", "encoder"}


def test_each_step_changes_one_network_alone(model: JointModel, batch: DegradedBatch) -> None:
    """Whatever the optimiser remembers of earlier steps, and its weight decay."""
    steps = Steps(model, NO_WARMUP, "train:optimizer={type: adamw, weight_decay: 0.1}")
    for number in range(1, 7):
        before = copy.deepcopy(model.state_dict())
        terms = steps.take(batch, number)
        changed = {key for key, value in model.state_dict().items() if not torch.equal(before[key], value)}
        assert {key.split(".")[0] for key in changed} == {"sr" if number % 2 else "seg"}
        statistics = {key for key in before if "running" in key}
        assert changed & statistics == (set() if number % 2 else statistics)
        restoration = {"sr", "sr_image", "sr_lr", "sr_kernel", "task_driven"}
        assert set(terms) == (restoration if number % 2 else {"seg", "seg_main"})


# -- the restoration's turn -----------------------------------------------------------------------


def normalised(image: Tensor) -> Tensor:
    mean, variance = image.mean((2, 3), keepdim=True), image.var((2, 3), correction=0, keepdim=True)
    return (image - mean) / (variance + 1e-5).sqrt()


@pytest.mark.parametrize("levels", ["deepest", "all"])
def test_the_perceptual_term_is_what_the_segmentation_network_sees(
    model: JointModel, batch: DegradedBatch, levels: str
) -> None:
    steps = Steps(model, NO_WARMUP, task_driven=TaskDriven(levels))
    steps.take(batch, 2)  # statistics that are not those of the start
    total, terms = steps.loss(batch, 3)
    with torch.no_grad():
        restored = model.sr(batch.lr).sr
        encoder = model.seg.encoder.eval()
        pairs = list(zip(encoder(normalised(restored)), encoder(normalised(batch.hr)), strict=True))
    distances = [sum(abs(one - other).flatten().tolist()) / one.numel() for one, other in pairs]
    expected = distances[-1] if levels == "deepest" else sum(distances) / len(distances)
    assert expected > 0 and float(terms["task_driven"]) == pytest.approx(expected, rel=1e-4)
    assert float(total.detach()) == pytest.approx(float(terms["sr"]) + 0.5 * expected, rel=1e-4)


def test_its_gradient_reaches_the_restoration_alone(model: JointModel, batch: DegradedBatch) -> None:
    gradients = []
    for warmup in (1.0, 0.0):
        steps = Steps(model, f"loss:task_driven={{weight: 0.5, warmup: {warmup}}}")
        model.zero_grad(set_to_none=True)
        steps.loss(batch, 1)[0].backward()
        assert all(parameter.grad is None for parameter in model.seg.parameters())
        gradients.append([parameter.grad.clone() for parameter in model.sr.parameters()])
    assert any(not torch.equal(one, other) for one, other in zip(*gradients, strict=True))


def test_the_perceptual_term_comes_in_after_its_warmup(model: JointModel, batch: DegradedBatch) -> None:
    changes = "loss:task_driven={weight: 0.5, warmup: 0.25}", "train:stages=[{name: sr, iterations: 20}, {name: sr4ir}]"
    laid = plan(*changes)
    weights = {step: laid.at(step).task_driven for step in range(1, 101)}
    assert {step for step, weight in weights.items() if weight} == set(range(41, 101, 2))  # 20 + a quarter of 80
    assert {weight for weight in weights.values() if weight} == {0.5}
    steps = Steps(model)  # by default a tenth of 100
    assert "task_driven" not in steps.loss(batch, 9)[1] and "task_driven" in steps.loss(batch, 11)[1]
    assert plan(STAGE).at(11).task_driven == 1.0


# -- the segmentation's turn ----------------------------------------------------------------------


def test_the_segmentation_learns_from_every_quality_alike(model: JointModel, batch: DegradedBatch) -> None:
    steps = Steps(model)
    torch.manual_seed(5)
    total, terms = steps.loss(batch, 2)
    total.backward()
    assert all(parameter.grad is None for parameter in model.sr.parameters())
    torch.manual_seed(5)
    restored = model.sr(batch.lr).sr.detach()
    mixed = TaskDriven().mix(restored, batch.hr)
    loss = build_loss(tiny(Path("nowhere")))
    losses = [
        float(loss.seg_loss(model.segment(image).logits, batch.mask, batch.distance, 0.8).mean().detach())
        for image in (restored, batch.hr, mixed)
    ]
    assert len(set(losses)) == 3
    assert float(total.detach()) == pytest.approx(sum(losses) / 3, rel=1e-5)
    assert float(terms["seg"]) == pytest.approx(sum(losses) / 3, rel=1e-5)


@pytest.mark.parametrize(("cells", "side"), [(8, 32), (4, 32), (8, 36)])
def test_a_mix_is_made_of_whole_cells_of_both_images(cells: int, side: int) -> None:
    restored, hr = torch.rand(2, 6, 3, side, side, generator=torch.Generator().manual_seed(3))
    torch.manual_seed(1)
    mixed = TaskDriven(cells=cells).mix(restored, hr)
    taken = (mixed == restored).all(1)  # every channel of a pixel is of one image
    assert torch.equal(taken, ~(mixed == hr).all(1))
    edges = [index * side // cells + (index * side % cells > 0) for index in range(cells + 1)]
    found = []
    for sample in taken:
        for top, bottom in itertools.pairwise(edges):
            for left, right in itertools.pairwise(edges):
                cell = sample[top:bottom, left:right]
                assert cell.all() or not cell.any()
                found.append(bool(cell[0, 0]))
    assert 0.3 < sum(found) / len(found) < 0.7
    assert not torch.equal(taken[0], taken[1])


def test_mixes_are_drawn_from_torchs_generator() -> None:
    images = torch.rand(2, 2, 3, 32, 32)
    torch.manual_seed(7)
    first, second = TaskDriven().mix(*images), TaskDriven().mix(*images)
    torch.manual_seed(7)
    assert torch.equal(TaskDriven().mix(*images), first) and not torch.equal(first, second)


# -- whole trainings ------------------------------------------------------------------------------


def test_both_turns_lower_their_losses(model: JointModel, batch: DegradedBatch) -> None:
    steps = Steps(model, "loss:task_driven={weight: 5.0, warmup: 0.0}", "train:optimizer:lr=2e-3")
    restoring = [steps.take(batch, 2 * number + 1) for number in range(25)]
    assert restoring[-1]["task_driven"] < 0.8 * restoring[0]["task_driven"]
    segmenting = [steps.take(batch, 2 * number) for number in range(1, 26)]
    assert segmenting[-1]["seg"] < 0.9 * segmenting[0]["seg"]


LONG = (
    "train:total_iter=9",
    "train:stages=[{name: sr, iterations: 2}, {name: sr4ir}]",
    "loss:task_driven={warmup: 0.3}",
    "network_seg:dropout=0.3",
    "train:ema_decay=0.9",
    "logger={print_freq: 4, save_checkpoint_freq: 2}",
)


@pytest.mark.parametrize(("stop", "saved"), [(6, 4), (7, 6)])
def test_resumed_within_the_stage_it_goes_on_to_the_bit(
    stop: int, saved: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train_here(tiny(whole, *LONG))
    train_until(tiny(stopped, *LONG), stop, monkeypatch)
    assert load(experiment(stopped).state)["step"] == saved
    train_here(tiny(stopped, *LONG), auto_resume=True)
    assert_same_run(whole, stopped)
    assert any("train/task_driven" in entry for entry in log_of(whole))


def test_weights_can_be_chosen_after_a_turn_of_the_restoration(tmp_path: Path) -> None:
    train_here(tiny(tmp_path, STAGE, "train:total_iter=1", "val={val_freq: 1, best: degraded/dice}"))
    assert load(experiment(tmp_path).best)["step"] == 1


@pytest.mark.slow
def test_two_processes_start_like_one_and_take_batches_in_parts(tmp_path: Path) -> None:
    """A turn of the restoration has no batch norm that moves and no draws, so that one process gives the same."""
    changes = ("train:total_iter=4", STAGE, NO_WARMUP, "datasets:train:loader:batch_size=4", "train:optimizer:lr=1e-6")
    two, one = tmp_path / "two", tmp_path / "one"
    two.mkdir()
    process = start(*TORCHRUN, *TRAIN, *changes, "train:accumulate_grad_batches=2", cwd=two)
    train_here(tiny(one, *changes))
    outcome = finish(process)
    assert outcome.code == 0, outcome.err
    found, expected = log_of(two), log_of(one)
    assert [entry["step"] for entry in found] == [1, 2, 3, 4]
    assert ["train/task_driven" in entry for entry in found] == ["train/seg" not in entry for entry in found]
    assert ["train/seg" in entry for entry in found] == [False, True] * 2
    cost = [entry[0].pop("train/multiply_adds") for entry in (found, expected)]
    assert {key: found[0][key] for key in expected[0]} == pytest.approx(expected[0], rel=1e-4)
    assert cost[0] == pytest.approx(cost[1], rel=0.01)  # what does not grow with the batch is done in each process


# -- what cannot learn so -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("network_sr={type: bicubic}",), "train.stages.0: these networks have nothing"),
        (
            ("network_seg={type: pspnet_blurskip, encoder: resnet18, width: 0.0625}",),
            "train.stages.0: network_seg needs",
        ),
    ],
)
def test_networks_that_cannot_are_refused(changes: tuple[str, ...], message: str) -> None:
    options = tiny(Path("nowhere"), STAGE, *changes)
    with pytest.raises(UserError, match=message):
        require_trainable(build_model(options), options.train.stages)


def test_features_of_restored_images_alone_are_refused() -> None:
    assert "stage sr4ir segments sharp images, too" in option_error(STAGE, "joint:handover=true")
    assert "joint.connection residual has no features" in option_error(STAGE, "joint:connection=residual")


def test_fused_sgd_is_refused_for_one_stage_with_turns(model: JointModel) -> None:
    options = tiny(Path("nowhere"), STAGE, "train:optimizer={type: sgd, fused: true}")
    with pytest.raises(UserError, match="train.optimizer.fused"):
        build_optimizer(options, model)
