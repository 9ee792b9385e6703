"""Models as ONNX files, for programs without torch: any sides, one tile at a time.

torch's older exporter, which traces, is used: the newer one needs a further package and refuses to pad by
amounts that depend on the size. What it lacks is spelled out in the models (``torch.onnx.is_in_onnx_export``).
"""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from contracts.errors import UserError
from contracts.files import write_bytes
from engine.build.checkpoint import find_checkpoint
from engine.export.onnx_model import FORMAT, model_of
from engine.export.runtimes import ONNXRUNTIME, require_runtime
from engine.runtime.experiment import require_writable
from models.base import WholeModel

if TYPE_CHECKING:
    import onnx

SHOWN = ("restored", "kernel", "logits", "probability")  # the outputs of the file, of those there are
OPSET = 17  # onnxruntime 1.14 and later
EXAMPLE = (37, 45)  # px; sides that need padding everywhere: what the traced tile does not need is never done
CHECKED = (29, 50)  # px; another size, on which the file is compared with torch
MEAN_TOLERANCE = 1e-3  # loose: networks that unpool put values where rounding says that the maximum was


def export(out: Path | None, opt: str | None, weights: str | None, overwrite: bool) -> Path:
    """Write trained weights as an ONNX file; print what it holds; return its path.

    Args:
        out: the file; None: beside the weights.
        opt: as for ``engine.build.checkpoint.find_checkpoint``.
        weights: likewise.
        overwrite: whether a file that exists is replaced.

    Raises:
        UserError: where onnx is missing, for a file that exists unless ``overwrite``, and for models that ONNX cannot
            express.
    """
    require_runtime(ONNXRUNTIME)
    checkpoint = find_checkpoint(opt, weights)
    source = checkpoint.path
    beside = source.with_name(f"{source.name}.onnx") if source.is_dir() else source.with_suffix(".onnx")
    path = beside if out is None else out
    check_new(path, overwrite)
    model = checkpoint.model()
    kept = json.dumps(checkpoint.options.model_dump(mode="json"))
    graph = to_onnx(model, {"options": kept, "step": str(checkpoint.step), "weights": source.name})
    difference = _differences(model, model_of(graph))
    largest, mean = float(difference.max()), float(difference.mean())
    if not mean <= MEAN_TOLERANCE:
        raise UserError(f"{source}: onnxruntime differs from torch by {mean:.1g} on average; nothing was written")
    write_bytes(path, graph.SerializeToString())
    outputs = ", ".join(output.name for output in graph.graph.output)
    print(f"{path} ({path.stat().st_size / 1e6:.1f} MB): lr [1,3,h,w], RGB in [0,1] -> {outputs}")
    print(f"onnxruntime differs from torch by {largest:.1g} at most, by {mean:.1g} on average")
    print(f"to use it here: python predict.py photo.jpg --weights {path}")
    return path


def check_new(path: Path, overwrite: bool) -> None:
    """Raise UserError for a file that exists (unless ``overwrite``), cannot be written or has another ending."""
    if path.suffix.lower() != ".onnx":
        raise UserError(f"-o {path}: give a file that ends in .onnx")  # never a photograph or weights
    if path.exists() and (path.is_dir() or not overwrite):
        raise UserError(f"{path} exists; give --overwrite to replace it, or another file with -o")
    require_writable(path.parent, "-o")


class Traced(nn.Module):
    """What is traced of a model: lr [1,3,h,w] in [0,1] -> every tensor with a name."""

    def __init__(self, model: WholeModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, lr: Tensor) -> tuple[Tensor, ...]:
        """The tensors of ``named_tensors`` in their order."""
        return tuple(self.model.named_tensors(lr).values())


@torch.no_grad()
def to_onnx(model: WholeModel, facts: dict[str, str] | None = None) -> onnx.ModelProto:
    """A model as an ONNX graph.

    Args:
        model: in evaluation mode, on the CPU.
        facts: added to its metadata.

    Raises:
        UserError: for a model with an operation that ONNX lacks.
    """
    import onnx

    example = torch.rand(1, 3, *EXAMPLE, generator=torch.Generator().manual_seed(0))
    names = list(model.eval().named_tensors(example))
    axes = {name: {2: "H", 3: "W"} for name in names if name not in ("kernel", "direct")}
    small = {2: "h", 3: "w"}
    content = traced(Traced(model).eval(), (1, 3, *EXAMPLE), names, {"lr": small, "direct": small, **axes})
    kept = [output for output in content.graph.output if output.name in SHOWN]
    del content.graph.output[:]
    content.graph.output.extend(kept)
    onnx.helper.set_model_props(
        content,
        {
            "format": FORMAT,
            "scale": str(model.scale),
            "stride": str(model.stride),
            "tensors": json.dumps(names),
            **model.described(),
            **(facts or {}),
        },
    )
    return content


def traced(
    module: nn.Module, shape: tuple[int, ...], names: list[str], axes: dict[str, dict[int, str]]
) -> onnx.ModelProto:
    """A graph of what a module computes of ``lr``, traced with noise of that shape.

    Args:
        module: in evaluation mode, on the CPU.
        shape: of lr.
        names: of its outputs.
        axes: which sides stay open, by tensor.

    Raises:
        UserError: for an operation that ONNX lacks.
    """
    import onnx

    example, buffer = torch.rand(shape, generator=torch.Generator().manual_seed(0)), io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # each size in Python is warned of; the tests try other sizes instead
            torch.onnx.export(
                module,
                (example,),
                buffer,  # type: ignore[arg-type]  # the exporter without dynamo writes to buffers, too
                dynamo=False,
                opset_version=OPSET,
                input_names=["lr"],
                output_names=names,
                dynamic_axes=axes,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise UserError(f"this model cannot be exported to ONNX: {str(error).splitlines()[0]}") from None
    return onnx.load_from_string(buffer.getvalue())


@torch.no_grad()
def _differences(model: WholeModel, exported: WholeModel) -> Tensor:
    """Differences [N] of restored images and probabilities on a tile of another size than that traced."""
    lr = torch.rand(1, 3, *CHECKED, generator=torch.Generator().manual_seed(1))
    ours, theirs = model(lr), exported(lr)
    pairs = ((ours.sr, theirs.sr), (ours.logits.sigmoid(), theirs.logits.sigmoid()))
    return torch.cat([(ours - theirs).abs().flatten() for ours, theirs in pairs])
