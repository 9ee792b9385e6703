"""--auto_resume with more steps, and with other ways to take them: no stage comes twice, and each option counts."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from contracts.errors import UserError
from engine.build.param_groups import go_on
from engine.runtime.layout import channels_last
from engine.train.stages import passed_stages, stage_lengths
from engine.train.trainer import Trainer
from tests.helpers.run_records import experiment, load, log_of, losses_of
from tests.helpers.runs import changed, tiny, train_here

SHARES = "train:stages=[{name: sr, fraction: 0.5}, {name: joint}]"


# -- lengths --------------------------------------------------------------------------------------


def lengths(stages: str, total: int, passed: tuple[int, ...] = ()) -> list[int]:
    return stage_lengths(changed(f"train:stages={stages}").train.stages, total, passed)


@pytest.mark.parametrize(
    ("stages", "before", "step", "after", "expected"),
    [
        ("[{name: sr, fraction: 0.5}, {name: joint}]", 10, 4, 20, [10, 10]),  # within the first: laid out anew
        ("[{name: sr, fraction: 0.5}, {name: joint}]", 10, 5, 20, [5, 15]),
        ("[{name: sr, fraction: 0.5}, {name: joint}]", 10, 10, 20, [5, 15]),
        ("[{name: sr, fraction: 0.5}, {name: joint, fraction: 0.5}]", 10, 8, 20, [5, 15]),
        (
            "[{name: sr, fraction: 0.3}, {name: seg, fraction: 0.3}, {name: joint, fraction: 0.4}]",
            10,
            4,
            20,
            [3, 6, 11],
        ),
        ("[{name: sr, fraction: 0.3}, {name: seg}, {name: joint, fraction: 0.4}]", 10, 4, 20, [3, 9, 8]),
        ("[{name: seg}, {name: joint, fraction: 0.5}]", 10, 6, 20, [5, 15]),  # the one that took the rest is passed
        ("[{name: sr, iterations: 3}, {name: joint}]", 10, 6, 20, [3, 17]),
        ("[{name: joint}]", 10, 10, 20, [20]),
        ("[{name: sr, fraction: 0.5}, {name: joint, fraction: 0.5}]", 20, 8, 10, [5, 5]),  # shorter
    ],
)
def test_stages_that_are_passed_keep_their_length(
    stages: str, before: int, step: int, after: int, expected: list[int]
) -> None:
    first = lengths(stages, before)
    assert lengths(stages, before, tuple(passed_stages(first, step))) == first  # resumed as it was: nothing moves
    longer = lengths(stages, after, tuple(passed_stages(first, step)))
    assert longer == expected and sum(longer) == after
    for later in range(step, after):  # and so it stays at every later resume
        assert lengths(stages, after, tuple(passed_stages(longer, later))) == longer


def test_a_last_stage_of_fixed_length_cannot_take_more() -> None:
    with pytest.raises(UserError, match="train.total_iter 20: .* take 10 steps; give 10, or .* another name"):
        lengths("[{name: seg}, {name: joint, iterations: 4}]", 20, (6,))


# -- trainings ------------------------------------------------------------------------------------


def stages_taken(options, monkeypatch: pytest.MonkeyPatch) -> dict[int, str]:
    """Train, resuming what there is; the stage of every step that was taken."""
    taken: dict[int, str] = {}
    take = Trainer._train_step

    def note(trainer, batch, moment):
        taken[moment.step] = moment.name
        return take(trainer, batch, moment)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_train_step", note)
        train_here(options, auto_resume=True)
    return taken


def test_a_longer_training_does_not_go_back_a_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = stages_taken(tiny(tmp_path, "train:total_iter=4", SHARES), monkeypatch)
    assert taken == {1: "sr", 2: "sr", 3: "joint", 4: "joint"}
    taken = stages_taken(tiny(tmp_path, "train:total_iter=8", SHARES), monkeypatch)
    assert taken == dict.fromkeys(range(5, 9), "joint")
    assert load(experiment(tmp_path).state)["lengths"] == [2, 6]
    taken = stages_taken(tiny(tmp_path, "train:total_iter=9", SHARES), monkeypatch)
    assert taken == {9: "joint"} and load(experiment(tmp_path).state)["lengths"] == [2, 7]


def test_a_state_without_lengths_is_laid_out_by_its_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_here(tiny(tmp_path, "train:total_iter=4", SHARES))
    state = load(experiment(tmp_path).state)
    del state["lengths"]
    torch.save(state, experiment(tmp_path).state)
    taken = stages_taken(tiny(tmp_path, "train:total_iter=8", SHARES), monkeypatch)
    assert taken == dict.fromkeys(range(5, 9), "joint")


@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd"])
def test_fused_is_as_the_options_say_after_a_resume(kind: str, tmp_path: Path) -> None:
    optimizer = f"train:optimizer={{type: {kind}, lr: 1.0e-4}}"
    alone, changed_over = tmp_path / "alone", tmp_path / "changed"
    train_here(tiny(alone, "train:total_iter=2", optimizer, "train:optimizer:fused=false", "loss:alpha={}"))
    train_here(tiny(changed_over, "train:total_iter=2", optimizer, "train:optimizer:fused=false", "loss:alpha={}"))
    for folder, fused in ((alone, "false"), (changed_over, "true")):
        chosen = f"train:optimizer:fused={fused}"
        train_here(tiny(folder, "train:total_iter=4", optimizer, chosen, "loss:alpha={}"), auto_resume=True)
        groups = load(experiment(folder).state)["optimizer"]["param_groups"]
        assert {group["fused"] for group in groups} == {fused == "true"}
    assert losses_of(changed_over) == pytest.approx(losses_of(alone), rel=1e-3)


def test_an_optimiser_goes_on_with_fused_kernels() -> None:
    weights = [torch.nn.Parameter(torch.ones(3)) for _ in range(2)]
    plain, fused = (torch.optim.Adam([one], fused=kind) for one, kind in zip(weights, (False, True), strict=True))
    for optimizer in (plain, fused):
        optimizer.param_groups[0]["params"][0].grad = torch.tensor([0.5, -1.0, 2.0])
    plain.step()
    go_on(fused, plain.state_dict())
    weights[1].data.copy_(weights[0].data)
    plain.step()
    fused.step()
    assert fused.param_groups[0]["fused"] is True and plain.param_groups[0]["fused"] is False
    torch.testing.assert_close(*weights)


@pytest.mark.parametrize("fused", [False, True])
def test_an_optimiser_goes_on_with_the_state_of_another_layout(fused: bool) -> None:
    """As earlier versions left it, whose weights were not channels last."""
    torch.manual_seed(0)
    before, images = torch.nn.Conv2d(8, 6, 3), torch.randn(2, 8, 9, 9)
    after = channels_last(copy.deepcopy(before))
    plain, resumed = torch.optim.Adam(before.parameters()), torch.optim.Adam(after.parameters(), fused=fused)

    def step(optimizer: torch.optim.Optimizer, network: torch.nn.Module) -> None:
        optimizer.zero_grad()
        network(images).square().mean().backward()
        optimizer.step()

    step(plain, before)
    after.load_state_dict(before.state_dict())
    go_on(resumed, copy.deepcopy(plain.state_dict()))
    for optimizer, network in ((plain, before), (resumed, after)):
        step(optimizer, network)
    assert after.weight.stride() != before.weight.stride()
    torch.testing.assert_close(after.weight, before.weight, rtol=1e-5, atol=1e-6)


# -- the best weights -----------------------------------------------------------------------------


def test_the_best_weights_of_a_training_of_the_sr_network_alone(tmp_path: Path) -> None:
    validation = "val={val_freq: 1, conditions: [degraded], best: degraded/psnr}"
    train_here(tiny(tmp_path, validation, "train:total_iter=3", "train:stages=[{name: sr}]"))
    measured = {entry["step"]: entry["val/degraded/psnr"] for entry in log_of(tmp_path) if "val/degraded/psnr" in entry}
    assert measured[load(experiment(tmp_path).best)["step"]] == max(measured.values())


def test_a_metric_of_kernels_needs_a_network_that_estimates_them(tmp_path: Path) -> None:
    validation = "val={val_freq: 1, conditions: [degraded], best: degraded/kernel_psnr}"
    with pytest.raises(UserError, match="val.best degraded/kernel_psnr: this SR network estimates no kernel"):
        train_here(tiny(tmp_path, validation, "network_sr={type: bicubic}", "train:stages=[{name: seg}]"))
    assert not (tmp_path / "experiments").exists()
