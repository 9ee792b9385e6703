"""An exported model in onnxruntime or OpenVINO, used like the model it was made of, without torch's networks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from contracts.errors import UserError
from contracts.records import JointOutput, Restored, Segmented
from engine.export.runtimes import ONNXRUNTIME, OPENVINO, Runner, require_runtime, runner
from models.base import ParallelModel, Segmentation, SuperResolution
from models.handover import Handover
from models.joint import JointModel

if TYPE_CHECKING:
    import onnx

FORMAT = "joint-sr-segmentation 1"
REPAIR = "give one that 'python predict.py --export onnx' wrote"


def read_onnx(path: Path, runtime: str = ONNXRUNTIME) -> onnx.ModelProto:
    """The graph of a file, to be run by ``runtime``.

    Raises:
        UserError: where the file is missing, another thing, or packages are missing.
    """
    require_runtime(runtime)
    import onnx

    if not path.is_file():
        raise UserError(f"weights {path} do not exist; {REPAIR}")
    try:
        content = onnx.load(path)
    except Exception as error:  # protobuf's errors, by the version
        raise UserError(f"{path} is no readable ONNX file ({type(error).__name__}); {REPAIR}") from None
    if metadata(content).get("format") != FORMAT:
        raise UserError(f"{path} is no model of this project (no format '{FORMAT}' in its metadata); {REPAIR}")
    return content


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


class Sessions:
    """A graph and parts of it in a runtime, each made at its first use.

    Tensors are float32 on the CPU, one sample at a time. OpenVINO computes in bfloat16 where torch would: under
    ``torch.autocast``.

    Args:
        content: the graph.
        runtime: as of ``engine.export.runtimes.runner``.
    """

    def __init__(self, content: onnx.ModelProto, runtime: str = ONNXRUNTIME) -> None:
        self.content, self.facts, self.runtime = content, metadata(content), runtime
        self.tensors: list[str] = json.loads(self.facts["tensors"])
        self.made: dict[tuple[str, bool], Runner] = {}

    def run(self, part: str, starts: set[str], ends: list[str], **given: Tensor) -> dict[str, Tensor]:
        """Compute those of ``ends`` that the graph has; what is ``given`` and not needed is left out."""
        rounded = self.runtime == OPENVINO and torch.is_autocast_enabled("cpu")
        if (part, rounded) not in self.made:
            graph = cut(self.content, starts, [end for end in ends if end in self.tensors])
            self.made[part, rounded] = runner(graph, self.runtime, rounded)
        made = self.made[part, rounded]
        tensors = made.run({name: given[name].cpu().numpy() for name in made.inputs})
        return {name: torch.from_numpy(value) for name, value in zip(made.outputs, tensors, strict=True)}

    def whole(self, lr: Tensor) -> JointOutput:
        """The whole way of a tile [1,3,h,w], as the model itself does it."""
        tensors = self.run("whole", {"lr"}, ["restored", "kernel", "logits"], lr=lr)
        return JointOutput(tensors["restored"], tensors.get("kernel"), tensors["logits"])


class OnnxRestoration(SuperResolution):
    """The part of a graph that restores; ``features`` are the two maps of a handover, which the graph has computed."""

    estimates_kernel = True

    def __init__(self, sessions: Sessions, scale: int) -> None:
        super().__init__()
        self.sessions, self.scale = sessions, scale

    def forward(self, lr: Tensor, kernel: Tensor | None = None) -> Restored:
        """Super-resolve ``lr`` [1,3,h,w]; ``kernel`` is ignored."""
        handed = ["handed_image", "handed_logits"]
        tensors = self.sessions.run("restore", {"lr"}, ["restored", "kernel", *handed], lr=lr)
        features = tuple(tensors[name] for name in handed) if handed[0] in tensors else None
        return Restored(tensors["restored"], tensors.get("kernel"), features)


class OnnxSegmentation(Segmentation):
    """The part of a graph that segments; padding is in it."""

    def __init__(self, sessions: Sessions, stride: int) -> None:
        super().__init__()
        self.sessions, self._stride = sessions, stride

    @property
    def stride(self) -> int:
        return self._stride

    def forward(self, x: Tensor, kernel: Tensor | None = None) -> Segmented:
        """Segment a normalised image [1,3,H,W] of any size; without a kernel it counts as sharp."""
        tensors = self.sessions.tensors
        entry = "to_segment" if "to_segment" in tensors else "restored"
        end = "segmented" if "segmented" in tensors else "logits"
        given = {entry: x, "kernel": self.sharp() if kernel is None else kernel}
        return Segmented(self.sessions.run("segment", {entry, "kernel"}, [end], **given)[end])

    def sharp(self) -> Tensor:
        """The kernel of a photograph that was not restored: a centred delta [1,1,k,k]."""
        outputs = self.sessions.content.graph.output
        sides = [info.type.tensor_type.shape.dim[2].dim_value for info in outputs if info.name == "kernel"]
        kernel = torch.zeros(1, 1, *(2 * (sides or [1])))
        kernel[..., kernel.shape[2] // 2, kernel.shape[3] // 2] = 1
        return kernel


class HandedOver(Handover):
    """In place of ``models.handover.FeatureHandover``: the graph has computed both maps, [B,3,H,W] and [B,1,H,W]."""

    def to_image(self, features: Sequence[Tensor]) -> Tensor:
        return features[0]

    def to_logits(self, features: Sequence[Tensor]) -> Tensor:
        return features[1]


class OnnxJointModel(JointModel):
    """A graph of a ``JointModel``, put together again of its two parts."""

    def __init__(self, sessions: Sessions) -> None:
        facts = sessions.facts
        scale, stride = int(facts["scale"]), int(facts["stride"])
        parts = OnnxRestoration(sessions, scale), OnnxSegmentation(sessions, stride)
        super().__init__(*parts, scale, facts["normalise"], clip=False, window=int(facts["window"]))
        self.sessions = sessions
        if "handed_image" in sessions.tensors:
            self.handover = HandedOver()

    def forward(self, lr: Tensor, kernel: Tensor | None = None) -> JointOutput:
        """The whole graph; ``kernel`` is ignored."""
        return self.sessions.whole(lr)


class OnnxParallelModel(ParallelModel):
    """A graph of a ``ParallelModel``."""

    def __init__(self, sessions: Sessions) -> None:
        super().__init__()
        self.sessions = sessions
        self.scale, self.stride = int(sessions.facts["scale"]), int(sessions.facts["stride"])

    def forward(self, lr: Tensor, kernel: Tensor | None = None) -> JointOutput:
        """The whole graph; ``kernel`` is ignored."""
        return self.sessions.whole(lr)

    def segment(
        self, image: Tensor, kernel: Tensor | None = None, features: tuple[Tensor, ...] | None = None
    ) -> Segmented:
        """Segment an image [1,3,h,w] at its own size; ``kernel`` and ``features`` are ignored."""
        return Segmented(self.sessions.run("segment", {"lr"}, ["direct"], lr=image)["direct"])


def model_of(content: onnx.ModelProto, runtime: str = ONNXRUNTIME) -> OnnxJointModel | OnnxParallelModel:
    """A graph of ``engine.export.run`` as a model in a runtime, for prediction."""
    sessions = Sessions(content, runtime)
    return (OnnxParallelModel if "direct" in sessions.tensors else OnnxJointModel)(sessions)
