"""An exported model in onnxruntime, used like the model it was made of, without torch's networks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from contracts.errors import UserError
from contracts.records import JointOutput, Restored, Segmented
from models.normalisation import build_normalisation

if TYPE_CHECKING:
    import onnx
    import onnxruntime

FORMAT = "joint-sr-segmentation 1"
REPAIR = "give one that 'python predict.py --export onnx' wrote"


def require_packages() -> None:
    """Raise UserError unless onnx and onnxruntime, an optional extra, can be imported."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise UserError(f"ONNX files need packages that are missing ({error}); pip install onnx onnxruntime") from None


def read_onnx(path: Path) -> OnnxModel:
    """The model of a file. Raises UserError where the file is missing, another thing, or the packages are missing."""
    require_packages()
    import onnx

    if not path.is_file():
        raise UserError(f"weights {path} do not exist; {REPAIR}")
    try:
        content = onnx.load(path)
    except Exception as error:  # protobuf's errors, by the version
        raise UserError(f"{path} is no readable ONNX file ({type(error).__name__}); {REPAIR}") from None
    if metadata(content).get("format") != FORMAT:
        raise UserError(f"{path} is no model of this project (no format '{FORMAT}' in its metadata); {REPAIR}")
    return OnnxModel(content)


def metadata(content: onnx.ModelProto) -> dict[str, str]:
    """What is told of a model in its file."""
    return {entry.key: entry.value for entry in content.metadata_props}


def cut(content: onnx.ModelProto, starts: set[str], ends: list[str]) -> onnx.ModelProto:
    """The part of a graph that makes the tensors ``ends`` from those of ``starts`` that it needs."""
    import onnx

    nodes, needed = [], set(ends)
    for node in reversed(content.graph.node):  # in the order of computation
        if needed & set(node.output) - starts:
            nodes.append(node)
            needed.update(node.input)
    weights = [weight for weight in content.graph.initializer if weight.name in needed]
    inputs, outputs = (
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None] * 4) for name in names]
        for names in (sorted(starts & needed), ends)
    )
    graph = onnx.helper.make_graph(nodes[::-1], "part", inputs, outputs, weights)
    return onnx.helper.make_model(graph, opset_imports=content.opset_import, ir_version=content.ir_version)


class HandedOver:
    """In place of ``models.handover.FeatureHandover``: the graph has computed both maps, [B,3,H,W] and [B,1,H,W]."""

    def to_image(self, features: tuple[Tensor, ...]) -> Tensor:
        return features[0]

    def to_logits(self, features: tuple[Tensor, ...]) -> Tensor:
        return features[1]


class OnnxModel(nn.Module):
    """A graph of ``engine.export.run``, with what ``engine.predict.tiled_model`` uses of ``models.whole.Model``.

    Tensors are float32 on the CPU, one sample at a time, with torch's number of threads. Weights are
    loaded at the first use of each of the parts: "whole", "restore" and "segment".
    """

    def __init__(self, content: onnx.ModelProto) -> None:
        super().__init__()
        self.content, told = content, metadata(content)
        self.scale, self.stride, self.step = int(told["scale"]), int(told["stride"]), told.get("step", "unknown")
        kept = json.loads(told.get("options", "{}"))
        self.minimum_area: int = kept.get("postprocess", {}).get("minimum_area", 0)
        self.tensors: list[str] = json.loads(told["tensors"])
        self.shares_input = "direct" in self.tensors
        self.normalise = None if self.shares_input else build_normalisation(told["normalise"], int(told["window"]))
        self.handover = HandedOver() if "handed_image" in self.tensors else None
        self.sessions: dict[str, onnxruntime.InferenceSession] = {}

    def forward(self, lr: Tensor) -> JointOutput:
        """The whole way of a tile [1,3,h,w], as the model itself does it."""
        found = self.run("whole", {"lr"}, ["restored", "kernel", "logits"], lr=lr)
        return JointOutput(found["restored"], found.get("kernel"), found["logits"])

    def restore(self, lr: Tensor) -> Restored:
        """Super-resolve ``lr`` [1,3,h,w]; ``features`` are what ``handover`` takes apart."""
        found = self.run("restore", {"lr"}, ["restored", "kernel", "handed_image", "handed_logits"], lr=lr)
        features = None
        if self.handover is not None:
            features = (found["handed_image"], found["handed_logits"])
        return Restored(found["restored"], found.get("kernel"), features)

    def segment_padded(self, normalised: Tensor, kernel: Tensor | None) -> Segmented:
        """Segment a normalised image [1,3,H,W] of any size; without a kernel it counts as sharp."""
        entry = "to_segment" if "to_segment" in self.tensors else "restored"
        end = "segmented" if "segmented" in self.tensors else "logits"
        kernel = self.sharp() if kernel is None else kernel
        return Segmented(self.run("segment", {entry, "kernel"}, [end], **{entry: normalised, "kernel": kernel})[end])

    def segment(self, image: Tensor) -> Segmented:
        """Segment an image [1,3,h,w] at its own size by a network that restores beside it."""
        return Segmented(self.run("segment", {"lr"}, ["direct"], lr=image)["direct"])

    def sharp(self) -> Tensor:
        """The kernel of a photograph that was not restored: a centred delta [1,1,k,k]."""
        sides = [o.type.tensor_type.shape.dim[2].dim_value for o in self.content.graph.output if o.name == "kernel"]
        kernel = torch.zeros(1, 1, *(2 * (sides or [1])))
        kernel[..., kernel.shape[2] // 2, kernel.shape[3] // 2] = 1
        return kernel

    def run(self, part: str, starts: set[str], ends: list[str], **given: Tensor) -> dict[str, Tensor]:
        """Compute those of ``ends`` that the graph has; what is ``given`` and not needed is left out."""
        if part not in self.sessions:
            self.sessions[part] = session(cut(self.content, starts, [end for end in ends if end in self.tensors]))
        runner = self.sessions[part]
        feed = {one.name: given[one.name].cpu().numpy() for one in runner.get_inputs()}
        outputs = [one.name for one in runner.get_outputs()]
        found = runner.run(outputs, feed)
        return {name: torch.from_numpy(value) for name, value in zip(outputs, found, strict=True)}


def session(part: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """onnxruntime for a graph, on the CPU, with as many threads as torch."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(part.SerializeToString(), options, providers=["CPUExecutionProvider"])
