"""Which model predicts: trained weights, or an exported file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from contracts.errors import ArgumentError, UserError
from engine.build.checkpoint import default_device, find_checkpoint
from engine.export.onnx_model import metadata, model_of, read_onnx
from engine.predict.resume import digest
from engine.runtime.precision import Precision, choose
from engine.runtime.weights_folder import CONFIG, TENSORS
from models.base import WholeModel

NETWORK = ("scale", "network", "network_sr", "network_seg", "joint", "compat", "corrections")


@dataclass(frozen=True)
class Source:
    """Where the network comes from.

    Attributes:
        scale: of restored images.
        minimum_area: regions of fewer pixels are no cracks.
        device: that it runs on.
        precision: in which it computes.
        description: for the log.
        load: makes the network.
        digest: the same for the same network, whatever its file is called.
    """

    scale: int
    minimum_area: int
    device: torch.device
    precision: Precision
    description: str
    load: Callable[[], WholeModel]
    digest: str


def find_source(
    opt: str | None, weights: str | None, precision: str = "auto", device: torch.device | None = None
) -> Source:
    """An exported model if ``weights`` ends in .onnx, else as ``engine.build.checkpoint.find_checkpoint`` does.

    Args:
        opt: as for ``find_checkpoint``.
        weights: likewise.
        precision: as ``engine.runtime.precision.choose`` wants it; "auto": what the options ask of evaluations, as
            some networks must not be rounded. An exported model computes in float32 on the CPU alone.
        device: None: the GPU if there is one.

    Raises:
        UserError: where there are no weights, or the other arguments do not go with them.
        ArgumentError: for a device, or a name of a precision, that cannot be used.
    """
    if weights is None or not weights.lower().endswith(".onnx"):
        checkpoint = find_checkpoint(opt, weights)
        options, path = checkpoint.options, checkpoint.path
        device = default_device() if device is None else device
        precision_used = choose(options.evaluation.precision if precision == "auto" else precision, device)
        description = f"{checkpoint}, on {device} in {precision_used}"
        area = options.postprocess.minimum_area
        more = b""
        if opt is not None:  # then the file's own options do not say what the weights compute
            network = options.model_dump(mode="json", include=set(NETWORK))
            more = json.dumps(network, sort_keys=True).encode()
        key = digest(path / TENSORS, more + (path / CONFIG).read_bytes()) if path.is_dir() else digest(path, more)
        return Source(options.scale, area, device, precision_used, description, checkpoint.model, key)
    if opt is not None:
        raise UserError(f"-opt {opt}: {weights} holds its own options; leave -opt out")
    if device is not None and device.type != "cpu":
        raise ArgumentError(f"device {device}: {weights} was exported for the CPU; leave device out")
    if precision == "bfloat16":
        raise UserError(f"--precision bfloat16: {weights} was exported in float32; leave --precision out")
    content = read_onnx(Path(weights))
    facts = metadata(content)
    area = json.loads(facts.get("options", "{}")).get("postprocess", {}).get("minimum_area", 0)
    description = f"{weights} (step {facts.get('step', 'unknown')}), in onnxruntime"
    device, exported = torch.device("cpu"), Precision(torch.float32, "as exported")
    load = partial(model_of, content)
    return Source(int(facts["scale"]), area, device, exported, description, load, digest(Path(weights)))
