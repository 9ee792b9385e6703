"""Programs that compute ONNX graphs on CPUs, behind one face: onnxruntime and OpenVINO."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from contracts.errors import UserError

if TYPE_CHECKING:
    import onnx

ONNXRUNTIME, OPENVINO = "onnxruntime", "openvino"
RUNTIMES = (ONNXRUNTIME, OPENVINO)
KEPT = 4  # shapes that a graph stays compiled for: those of tiles inside and at the borders of a photograph
Arrays = Mapping[str, NDArray[np.float32]]


class Runner(Protocol):
    """A graph that can be computed.

    Attributes:
        inputs: names of what it takes.
        outputs: names of what it gives.
    """

    inputs: list[str]
    outputs: list[str]

    def run(self, feed: Arrays) -> list[NDArray[np.float32]]:
        """The outputs in their order, of inputs [1,C,H,W] by name."""


def require_runtime(runtime: str) -> None:
    """Raise UserError unless a runtime's packages, an optional extra, can be imported."""
    if runtime == OPENVINO:
        try:
            import openvino  # noqa: F401
        except ImportError as error:
            raise UserError(f"openvino is missing ({error}); pip install onnx openvino") from None
    try:
        import onnx  # noqa: F401

        if runtime == ONNXRUNTIME:
            import onnxruntime  # noqa: F401
    except ImportError as error:
        wanted = "onnx openvino" if runtime == OPENVINO else "onnx onnxruntime"
        raise UserError(f"ONNX files need packages that are missing ({error}); pip install {wanted}") from None


def runner(part: onnx.ModelProto, runtime: str, bfloat16: bool = False) -> Runner:
    """A graph in a runtime, on the CPU, with as many threads as torch.

    Args:
        part: whose inputs may have any sides.
        runtime: one of RUNTIMES.
        bfloat16: whether OpenVINO may round to it within the graph; onnxruntime's CPUs know float32 alone.
    """
    content = part.SerializeToString()
    return InOpenVino(content, bfloat16) if runtime == OPENVINO else InOnnxruntime(content)


class InOnnxruntime:
    """A graph in onnxruntime.

    Args:
        content: the serialised graph.
    """

    def __init__(self, content: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self.inputs = [info.name for info in self._session.get_inputs()]
        self.outputs = [info.name for info in self._session.get_outputs()]

    def run(self, feed: Arrays) -> list[NDArray[np.float32]]:
        """As of ``Runner``."""
        return self._session.run(self.outputs, dict(feed))


class InOpenVino:
    """A graph in OpenVINO, compiled anew for each size of tiles, as what is compiled for any size is slower.

    Args:
        content: the serialised graph.
        bfloat16: whether it may round to that.
    """

    def __init__(self, content: bytes, bfloat16: bool) -> None:
        import openvino
        from openvino import properties

        self._core = openvino.Core()
        self._model = self._core.read_model(io.BytesIO(content))
        self._settings = {
            properties.hint.inference_precision: openvino.Type.bf16 if bfloat16 else openvino.Type.f32,
            properties.hint.performance_mode: properties.hint.PerformanceMode.LATENCY,
            properties.inference_num_threads: torch.get_num_threads(),
        }
        self._compiled: OrderedDict[tuple[tuple[int, ...], ...], Any] = OrderedDict()
        self.inputs = [port.get_any_name() for port in self._model.inputs]
        self.outputs = [port.get_any_name() for port in self._model.outputs]

    def run(self, feed: Arrays) -> list[NDArray[np.float32]]:
        """As of ``Runner``."""
        shapes = tuple(feed[name].shape for name in self.inputs)
        if shapes not in self._compiled:
            self._model.reshape(dict(zip(self.inputs, map(list, shapes), strict=True)))
            self._compiled[shapes] = self._core.compile_model(self._model, "CPU", self._settings)
            if len(self._compiled) > KEPT:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(shapes)
        found = self._compiled[shapes]({name: np.ascontiguousarray(feed[name]) for name in self.inputs})
        return [np.array(found[name]) for name in self.outputs]  # a copy: its memory is the next run's
