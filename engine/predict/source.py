"""Which model predicts, and in what: trained weights or an exported file, in torch, onnxruntime or OpenVINO."""

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
from engine.export.run import to_onnx
from engine.export.runtimes import ONNXRUNTIME, OPENVINO, RUNTIMES, require_runtime
from engine.predict.resume import RUNTIME, digest
from engine.runtime.precision import Precision, choose
from engine.runtime.weights_folder import CONFIG, TENSORS
from models.base import WholeModel

AUTO, TORCH = "auto", "torch"
CPU = torch.device("cpu")
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
        runtime: that it runs in.
        usual: whether that is what such weights run in by themselves.
    """

    scale: int
    minimum_area: int
    device: torch.device
    precision: Precision
    description: str
    load: Callable[[], WholeModel]
    digest: str
    runtime: str = TORCH
    usual: bool = True

    @property
    def record(self) -> dict[str, str]:
        """The runtime as results are to tell it: not where it is the usual one, which earlier results do not tell."""
        return {} if self.usual else {RUNTIME: self.runtime}


def find_source(
    opt: str | None,
    weights: str | None,
    precision: str = "auto",
    device: torch.device | None = None,
    runtime: str = "auto",
) -> Source:
    """An exported model if ``weights`` ends in .onnx, else as ``engine.build.checkpoint.find_checkpoint`` does.

    Args:
        opt: as for ``find_checkpoint``.
        weights: likewise.
        precision: as ``engine.runtime.precision.choose`` wants it; "auto": what the options ask of evaluations, as
            some networks must not be rounded. onnxruntime computes in float32 alone.
        device: None: the GPU if there is one; the CPU for runtimes other than torch.
        runtime: "torch", "onnxruntime" or "openvino"; "auto": torch, and onnxruntime for an exported model.

    Raises:
        UserError: where there are no weights, or the other arguments do not go with them.
        ArgumentError: for a device, or a name of a precision or runtime, that cannot be used.
    """
    if runtime not in (AUTO, TORCH, *RUNTIMES):
        raise ArgumentError(f"runtime '{runtime}': give auto, {TORCH}, {' or '.join(RUNTIMES)}")
    exported = weights is not None and weights.lower().endswith(".onnx")
    if exported and runtime == TORCH:
        raise UserError(f"--runtime torch: {weights} was exported; leave --runtime out, or give the weights")
    if runtime == AUTO:
        runtime = ONNXRUNTIME if exported else TORCH
    if runtime != TORCH:
        if device is not None and device.type != "cpu":
            what = f"{weights} was exported for the CPU" if exported else f"{runtime} runs on the CPU here"
            raise ArgumentError(f"device {device}: {what}; leave device out")
        if runtime == ONNXRUNTIME and precision == "bfloat16":
            raise UserError(
                "--precision bfloat16: onnxruntime knows float32 alone; leave it out, or --runtime openvino"
            )
    if exported:
        return _exported(opt, str(weights), precision, runtime)
    return _trained(opt, weights, precision, device, runtime)


def _trained(opt: str | None, weights: str | None, precision: str, device: torch.device | None, runtime: str) -> Source:
    """Weights in torch, or turned into a graph for another runtime."""
    checkpoint = find_checkpoint(opt, weights)
    options, path = checkpoint.options, checkpoint.path
    area = options.postprocess.minimum_area
    more = b""
    if opt is not None:  # then the file's own options do not say what the weights compute
        network = options.model_dump(mode="json", include=set(NETWORK))
        more = json.dumps(network, sort_keys=True).encode()
    key = digest(path / TENSORS, more + (path / CONFIG).read_bytes()) if path.is_dir() else digest(path, more)
    wanted = options.evaluation.precision if precision == AUTO else precision
    if runtime == TORCH:
        device = default_device() if device is None else device
        used = choose(wanted, device)
        description = f"{checkpoint}, on {device} in {used}"
        return Source(options.scale, area, device, used, description, checkpoint.model, key)
    require_runtime(runtime)
    used = _precision(wanted, runtime)

    def converted() -> WholeModel:
        return model_of(to_onnx(checkpoint.model()), runtime)

    description = f"{checkpoint}, in {runtime} in {used}"
    return Source(options.scale, area, CPU, used, description, converted, key, runtime, usual=False)


def _exported(opt: str | None, weights: str, precision: str, runtime: str) -> Source:
    """A graph of a file."""
    if opt is not None:
        raise UserError(f"-opt {opt}: {weights} holds its own options; leave -opt out")
    content = read_onnx(Path(weights), runtime)
    facts = metadata(content)
    kept = json.loads(facts.get("options", "{}"))
    area = kept.get("postprocess", {}).get("minimum_area", 0)
    used = _precision(kept.get("evaluation", {}).get("precision", AUTO) if precision == AUTO else precision, runtime)
    description = f"{weights} (step {facts.get('step', 'unknown')}), in {runtime}"
    load, usual = partial(model_of, content, runtime), runtime == ONNXRUNTIME
    return Source(int(facts["scale"]), area, CPU, used, description, load, digest(Path(weights)), runtime, usual)


def _precision(wanted: str, runtime: str) -> Precision:
    """That of a runtime other than torch."""
    return choose(wanted, CPU) if runtime == OPENVINO else Precision(torch.float32, "all that onnxruntime knows")
