"""Options that save time or memory and change no result: recomputation, torch.compile, the fused optimiser."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from contracts.errors import UserError
from engine.build.models import build_model
from engine.build.param_groups import build_optimizer
from engine.runtime.checkpoint import load_file
from engine.train.compilation import compile_or_tell
from models.checkpointing import checkpoint_gradients
from models.prelu import PReLU
from models.sr.dbpn import DBPN
from models.sr.kbpn import KBPN
from tests.helpers.errors import error_of
from tests.helpers.processes import finish, start
from tests.helpers.run_records import assert_same, experiment, load
from tests.helpers.runs import TRAIN, tiny, train_here

SHORT = ("train:total_iter=4", "val:val_freq=0")


def trained(folder: Path, *changes: str) -> dict[str, torch.Tensor]:
    """The weights that a short training below ``folder`` ends with."""
    train_here(tiny(folder, *SHORT, *changes))
    return load(experiment(folder).latest)["model"]


def gradients(network: nn.Module, lr: torch.Tensor) -> tuple[list[torch.Tensor], int]:
    """All gradients of a sum over the restored image and the features, and the bytes kept for the backward pass."""
    saved = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        restored = network(lr)
        loss = restored.sr.square().mean() + sum(one.abs().mean() for one in restored.features)
    if restored.kernel is not None:
        loss = loss + restored.kernel.square().sum()
    return list(torch.autograd.grad(loss, list(network.parameters()))), sum(saved.values())


@pytest.mark.parametrize(
    "network", [lambda: KBPN(stages=3, width=8, corrector_width=4, modulation_width=8), lambda: DBPN(width=8)]
)
def test_recomputed_gradients_are_the_same_numbers(network: object) -> None:
    torch.manual_seed(0)
    plain = network()
    saving = copy.deepcopy(plain)
    checkpoint_gradients(saving)
    lr = torch.rand(2, 3, 12, 10)
    (expected, bytes_kept), (found, bytes_left) = gradients(plain, lr), gradients(saving, lr)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert bytes_left < 0.7 * bytes_kept


def test_what_cannot_recompute_is_named(tmp_path: Path) -> None:
    changes = ("network_sr={type: bicubic}", "train:stages=[{name: seg}]", "train:gradient_checkpointing=true")
    message = error_of(train_here, tiny(tmp_path, *changes))
    reason = "this SR network keeps its maps; kbpn and dbpn can make theirs"
    assert f"train.gradient_checkpointing: {reason}" in message


def test_recomputation_trains_the_same_weights(tmp_path: Path) -> None:
    plain, recomputed = (trained(tmp_path / way, f"train:gradient_checkpointing={way}") for way in ("false", "true"))
    assert_same(recomputed, plain)


@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd"])
def test_fused_optimiser_takes_the_same_steps(kind: str, tmp_path: Path) -> None:
    moved = []
    for way in ("false", "true"):
        options = tiny(tmp_path, f"train:optimizer:type={kind}", f"train:optimizer:fused={way}")
        torch.manual_seed(0)
        model = build_model(options)
        optimizer = build_optimizer(options, model)
        for _ in range(3):
            for parameter in model.parameters():
                parameter.grad = torch.randn_like(parameter)
            optimizer.step()
        moved.append(list(model.parameters()))
        assert all(group["fused"] == (way == "true") for group in optimizer.param_groups)
    torch.testing.assert_close(*moved, rtol=1e-5, atol=1e-7)


def test_fused_optimiser_trains_channels_last_weights_the_same(tmp_path: Path) -> None:
    """Of gradients with other strides than their weights it would make nonsense, in silence."""
    plain, fused = (
        trained(tmp_path / way, f"train:optimizer:fused={way}", "train:total_iter=1") for way in ("false", "true")
    )
    torch.testing.assert_close(fused, plain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd"])
def test_every_optimiser_takes_up_weights_in_a_later_stage(kind: str, tmp_path: Path) -> None:
    stages = "train:stages=[{name: sr, fraction: 0.5}, {name: joint}]"
    options = tiny(tmp_path, *SHORT, stages, f"train:optimizer:type={kind}")
    torch.manual_seed(options.seed)
    started = dict(build_model(options).named_parameters())
    train_here(options)
    ended = load(experiment(tmp_path).latest)["model"]
    changed = {name for name, value in started.items() if not torch.equal(value, ended[name])}
    assert {name.split(".")[0] for name in changed} == {"sr", "seg"}


def test_fused_sgd_is_refused_where_it_would_fail_and_can_be_left_out(tmp_path: Path) -> None:
    """Without momentum it does not fail; and what a state was begun with is no hindrance to go on without."""
    options = [*SHORT, "train:stages=[{name: sr, fraction: 0.5}, {name: joint}]", "train:optimizer:type=sgd"]
    fused = "train:optimizer:fused=true"
    with pytest.raises(UserError, match="train.optimizer.fused: torch's fused sgd fails .* leave it out"):
        train_here(tiny(tmp_path, *options, fused))
    train_here(tiny(tmp_path / "plain", *options, fused, "train:optimizer:momentum=0"))
    train_here(tiny(tmp_path, *options, "train:total_iter=2"))
    file = experiment(tmp_path).state
    state = load_file(file)
    state["options"]["train"]["optimizer"]["fused"] = True
    torch.save(state, file)
    train_here(tiny(tmp_path, *options), auto_resume=True)
    assert load_file(file)["step"] == 4


def test_without_a_compiler_training_goes_on_as_if_it_were_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    off = trained(tmp_path / "off")
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setenv("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "1")
    chosen = [f"path:experiments_root={tmp_path / 'on' / 'experiments'}", *SHORT, "train:compile=true"]
    outcome = finish(start(*TRAIN, *chosen, cwd=tmp_path))
    assert outcome.code == 0 and "train.compile: off, as torch.compile failed here (" in outcome.out, outcome
    assert_same(load(experiment(tmp_path / "on").latest)["model"], off)


def test_compilation_leaves_no_trace_and_the_same_numbers() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), PReLU(), nn.Dropout2d(0.2), nn.Conv2d(8, 1, 3, padding=1)
    )
    before = copy.deepcopy(network)
    x = torch.randn(2, 3, 16, 16)
    state = torch.get_rng_state()
    reason = compile_or_tell({"seg": network}, lambda: network(x).square().mean())
    if reason is not None:
        pytest.skip(f"torch.compile does not work here: {reason}")
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(network.state_dict()[name], one) for name, one in before.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    network.eval(), before.eval()
    torch.testing.assert_close(network(x), before(x))
    network(x).square().mean().backward()
    before(x).square().mean().backward()
    for one, expected in zip(network.parameters(), before.parameters(), strict=True):
        torch.testing.assert_close(one.grad, expected.grad, rtol=1e-4, atol=1e-6)
