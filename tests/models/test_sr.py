"""Super-resolution networks: one tester for all, and KBPN against its plain formulation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.dense_kbpn import dense_forward
from contracts.errors import UserError
from models.encoders.vgg import VGGEncoder
from models.sr import SR_NETWORKS
from models.sr.border import constant_map, mean_of_convolution, spread
from models.sr.kbpn import KBPN
from models.sr.kernel_estimation import normalise_kernel
from models.sr.pseudo_lr import phase_by_phase, pseudo_lr
from tests.helpers.network_checks import (
    check_evaluation,
    check_half_precision,
    check_saved_weights,
    parameters_without_gradient,
)
from tests.helpers.small_networks import SMALL_SR


@pytest.fixture(params=sorted(SR_NETWORKS))
def network(request: pytest.FixtureRequest) -> nn.Module:
    """Every listed network at a small size; a new one needs an entry in SMALL_SR."""
    torch.manual_seed(0)
    return SR_NETWORKS[request.param](scale=4, **SMALL_SR[request.param])


@pytest.mark.parametrize("size", [(8, 8), (7, 11), (2, 3)])
def test_enlarges_any_size(network: nn.Module, size: tuple[int, int]) -> None:
    restored = network(torch.rand(2, 3, *size))
    assert restored.sr.shape == (2, 3, 4 * size[0], 4 * size[1])
    if network.feature_channels is None:
        assert restored.features is None
    else:
        sides = restored.sr.shape[2:]
        assert torch.cat(restored.features, 1).shape == (2, network.feature_channels, *sides)


def restore(network: nn.Module, lr: Tensor) -> Tensor:
    """The restored image alone."""
    return network(lr).sr


def test_every_parameter_gets_a_gradient(network: nn.Module) -> None:
    lr = torch.rand(2, 3, 8, 9, requires_grad=True)
    assert not parameters_without_gradient(network, restore(network.train(), lr).square().mean())
    assert lr.grad.isfinite().all() and lr.grad.abs().max() > 0


def test_saved_weights_restore_the_function(network: nn.Module) -> None:
    check_saved_weights(network, torch.rand(1, 3, 6, 7), restore)


def test_evaluation_is_deterministic_and_per_sample(network: nn.Module) -> None:
    check_evaluation(network, torch.rand(3, 3, 8, 8), restore)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_close(network: nn.Module, dtype: torch.dtype) -> None:
    check_half_precision(network, torch.rand(2, 3, 8, 8), dtype, restore)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_kbpn_runs_in_half_precision_with_its_kernel_in_float32(dtype: torch.dtype) -> None:
    network, lr = small_kbpn(minimum_sum=1e-2).eval(), torch.rand(2, 3, 8, 8)
    with torch.no_grad():
        full = network(lr.double())
        half = network.to(dtype)(lr.to(dtype))
    assert half.sr.dtype == dtype and half.kernel.dtype == torch.float32
    assert (half.sr.double() - full.sr).abs().max() < 0.1 * full.sr.abs().max()


@pytest.mark.parametrize("shape", [(1, 3, 1, 8), (1, 1, 8, 8), (3, 8, 8)])
def test_wrong_input_shape_is_named(network: nn.Module, shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"expected \[B,3,h,w\]"):
        network(torch.rand(shape))


def small_kbpn(**changes: object) -> KBPN:
    torch.manual_seed(1)
    return KBPN(**{**SMALL_SR["kbpn"], "minimum_sum": 0.0, **changes}).double()


def true_kernels(count: int, side: int) -> Tensor:
    kernel = torch.rand(count, 1, side, side, dtype=torch.float64)
    return kernel / kernel.sum((2, 3), keepdim=True)


@pytest.mark.parametrize("blind", [True, False])
@pytest.mark.parametrize(("scale", "size"), [(4, (6, 5)), (4, (2, 3)), (2, (2, 5)), (8, (3, 2))])
def test_kbpn_equals_its_plain_formulation(scale: int, size: tuple[int, int], blind: bool) -> None:
    """Outputs and the gradients of all parameters, for images down to the smallest."""
    network = small_kbpn(scale=scale, stages=3)
    lr = torch.rand(2, 3, *size, dtype=torch.float64, requires_grad=True)
    kernel = None if blind else true_kernels(2, 5)
    restored = network(lr, kernel)
    sr, state, _ = dense_forward(network, lr, kernel)
    torch.testing.assert_close(restored.sr, sr, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(restored.kernel.flatten(1), state, rtol=1e-9, atol=1e-9)
    ours = gradients(restored.sr.square().mean() + restored.kernel.square().sum(), network, lr)
    plain = gradients(sr.square().mean() + state.square().sum(), network, lr)
    for name, gradient in plain.items():
        scale_of_it = max(1.0, gradient.abs().max().item())
        assert (ours[name] - gradient).abs().max() < 1e-8 * scale_of_it, name


def gradients(loss: Tensor, network: nn.Module, lr: Tensor) -> dict[str, Tensor]:
    inputs = {"lr": lr, **dict(network.named_parameters())}
    values = torch.autograd.grad(loss, list(inputs.values()), allow_unused=True)
    return {name: value for name, value in zip(inputs, values, strict=True) if value is not None}


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("size", [(4, 5), (7, 4), (9, 12)])
def test_border_table_equals_convolved_constant_map(layers: int, size: tuple[int, int]) -> None:
    vector = torch.rand(2, 3, dtype=torch.float64)
    weights = torch.rand(layers, 3, 3, 3, 3, dtype=torch.float64)
    table = constant_map(vector, 2 * layers + 1)
    full = vector[:, :, None, None].expand(-1, -1, *size)
    for weight in weights:
        table, full = (F.leaky_relu(F.conv2d(x, weight, padding=1) - 1) for x in (table, full))
    torch.testing.assert_close(spread(table, *size), full)


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (8, 7)])
def test_mean_of_convolution_without_convolving(size: tuple[int, int]) -> None:
    x, weight = torch.randn(2, 4, *size).double(), torch.randn(3, 4, 3, 3).double()
    torch.testing.assert_close(mean_of_convolution(x, weight), F.conv2d(x, weight, padding=1).mean((2, 3)))


def test_pseudo_lr_does_not_flip_and_samples_the_top_left_pixel() -> None:
    image = torch.arange(64.0).reshape(1, 1, 8, 8).expand(1, 3, 8, 8)
    kernel = torch.zeros(3, 3)
    kernel[1, 2] = 1.0  # takes the right-hand neighbour
    expected = torch.tensor([[1.0, 5.0], [33.0, 37.0]]).expand(1, 3, 2, 2)
    assert torch.equal(pseudo_lr(image, kernel.reshape(1, 9), scale=4), expected)


def test_kernel_normalisation_is_exact_and_guarded_near_zero() -> None:
    kernels = torch.tensor([[0.3, 0.4], [1.0, -1.001], [0.5, -0.5]])
    plain = normalise_kernel(kernels, 0.0)[0]
    guarded = normalise_kernel(kernels, 0.01)
    assert torch.equal(guarded[0], plain) and torch.equal(plain, kernels[0] / kernels[0].sum())
    torch.testing.assert_close(guarded[1], torch.tensor([-100.0, 100.1]))
    torch.testing.assert_close(guarded[2], torch.tensor([50.0, -50.0]))


def test_a_given_kernel_is_returned_and_estimation_stays_idle() -> None:
    network = small_kbpn()
    kernel = true_kernels(2, 5)
    restored = network(torch.rand(2, 3, 5, 6, dtype=torch.float64), kernel)
    torch.testing.assert_close(restored.kernel, kernel)
    restored.sr.mean().backward()
    estimating = {id(parameter) for parameter in network.kernel_parameters()}
    assert 0 < len(estimating) < len(list(network.parameters()))
    assert all((parameter.grad is None) == (id(parameter) in estimating) for parameter in network.parameters())


def test_without_correction_gain_the_first_kernel_stays() -> None:
    network = small_kbpn(correction_gain=0.0)
    lr = torch.rand(2, 3, 5, 6, dtype=torch.float64)
    first = network.predict(network.extractor(lr))
    torch.testing.assert_close(network(lr).kernel.flatten(1), first)


def test_without_output_gain_the_network_starts_as_bicubic_and_can_learn() -> None:
    network, lr = small_kbpn(output_gain=0.0), torch.rand(2, 3, 5, 6, dtype=torch.float64)
    restored = network(lr)
    assert torch.equal(restored.sr, SR_NETWORKS["bicubic"]()(lr).sr)
    restored.sr.square().mean().backward()
    assert network.output.weight.grad.abs().max() > 0


def test_initial_weights_are_kaiming_normal() -> None:
    network = KBPN(stages=1, width=64)
    weight, transposed = network.predictor.layers[0][0].weight, network.stages[0].up.enlarge[0].weight
    assert weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
    assert transposed.std().item() == pytest.approx((2 / (64 * 64)) ** 0.5, rel=0.02)
    assert network.stages[0].up.compress[0].bias.abs().max() == 0
    assert network.stages[0].up.compress[1].weight.item() == pytest.approx(0.01)


def test_kernel_of_another_side_is_named() -> None:
    with pytest.raises(UserError, match=r"\[B,1,5,5\]"):
        small_kbpn()(torch.rand(1, 3, 4, 4, dtype=torch.float64), true_kernels(1, 7))


def test_importing_the_models_does_not_import_basicsr(root: Path) -> None:
    code = "import sys, models.sr, models.joint; sys.exit('basicsr' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("side", [3, 7, 9, 21])
def test_a_strided_blur_phase_by_phase_is_torchs(scale: int, side: int) -> None:
    torch.manual_seed(0)
    image = torch.randn(3, 2, 3 * scale, 5 * scale, dtype=torch.float64, requires_grad=True)
    taps = torch.randn(2, 1, side, side, dtype=torch.float64, requires_grad=True)
    ours = phase_by_phase(image, taps, scale)
    torchs = torch.nn.functional.conv2d(image, taps, stride=scale, padding=side // 2, groups=2)
    torch.testing.assert_close(ours, torchs, rtol=0, atol=1e-11)
    weights = torch.randn_like(torchs)
    for found, expected in zip(*(torch.autograd.grad(y, (image, taps), weights) for y in (ours, torchs)), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)


# -- VGG-16's features in KBPN --------------------------------------------------------------------


def vgg16_file(folder: Path) -> tuple[Path, dict[str, Tensor]]:
    """A weight file with VGG-16's names and shapes, and its tensors."""
    torch.manual_seed(3)
    state = {**VGGEncoder().state_dict(), "pre_logits.fc1.weight": torch.zeros(1)}
    torch.save(state, folder / "vgg16.pth")
    return folder / "vgg16.pth", state


def test_feature_extractor_can_start_as_vgg16(tmp_path: Path) -> None:
    """VGG-16's first four layers without the pooling between them; all else starts as it does without."""
    file, state = vgg16_file(tmp_path)
    sizes = {"stages": 1, "width": 128, "kernel_side": 5, "estimated_side": 3, "modulation_width": 4}
    torch.manual_seed(4)
    random = KBPN(**sizes).state_dict()
    torch.manual_seed(4)
    network = KBPN(**sizes, pretrained=str(file))
    image = torch.rand(1, 3, 16, 16)
    expected = image
    for place in (0, 2, 5, 7):
        weight, bias = (state[f"features.{place}.{part}"] for part in ("weight", "bias"))
        expected = F.relu(F.conv2d(expected, weight, bias, padding=1))
    torch.testing.assert_close(network.extractor(image), expected)
    changed = {key for key, value in network.state_dict().items() if not torch.equal(value, random[key])}
    assert changed == {f"extractor.{place}.{part}" for place in (0, 2, 4, 6) for part in ("weight", "bias")}


def test_vgg16_that_does_not_fit_is_named(tmp_path: Path) -> None:
    sizes = {"stages": 1, "kernel_side": 5, "estimated_side": 3, "modulation_width": 4}
    with pytest.raises(UserError, match="pretrained: imagenet needs KBPN with width 128.*not 16"):
        KBPN(**sizes, width=16, pretrained="imagenet")
    with pytest.raises(UserError, match="'vgg' is neither 'none', 'imagenet' nor a file"):
        KBPN(**sizes, pretrained="vgg")
    file, state = vgg16_file(tmp_path)
    torch.save({key: value for key, value in state.items() if key != "features.5.bias"}, file)
    with pytest.raises(UserError, match="vgg16.pth' does not fit the encoder: '4.bias' is missing"):
        KBPN(**sizes, pretrained=str(file))
