"""What is traced of a model to make an ONNX graph of it: the whole way of a tile, with names.

lr -> restored -> normalised -> logits -> probability. The tensors where ``engine.export.onnx_model`` cuts the graph in
two are named as well, so that large photographs can be restored tile by tile, normalised as a whole, and
then segmented tile by tile.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from models.joint import JointModel
from models.whole import Model

SHOWN = ("restored", "kernel", "logits", "probability")  # the outputs of the file, of those there are


class JointGraph(nn.Module):
    """What is traced of a ``JointModel``: lr [1,3,h,w] in [0,1] -> every tensor with a name."""

    def __init__(self, model: JointModel) -> None:
        super().__init__()
        self.model = model

    def named(self, lr: Tensor) -> dict[str, Tensor]:
        """The tensors by name, H and W being ``scale`` times h and w.

        Always restored [1,3,H,W] and logits, probability [1,1,H,W]; kernel [1,1,k,k] if it is estimated;
        to_segment [1,3,H,W], what the segmentation network looks at, if that is not the restored image;
        with a handover also handed_image [1,3,H,W] and handed_logits [1,1,H,W], which it adds to the
        normalised image and to the logits, and segmented [1,1,H,W], the logits before that.
        """
        restored, handover = self.model.restore(lr), self.model.handover
        found = {"restored": restored.sr}
        if restored.kernel is not None:
            found["kernel"] = restored.kernel
        to_segment = self.model.normalise(restored.sr)
        if handover is not None:
            found["handed_image"] = handover.to_image(restored.features)
            found["handed_logits"] = handover.to_logits(restored.features)
            to_segment = to_segment + found["handed_image"]
        if to_segment is not restored.sr:
            found["to_segment"] = to_segment
        logits = self.segment(to_segment, restored.kernel)
        if handover is not None:
            found["segmented"] = logits
            logits = logits + found["handed_logits"]
        return {**found, "logits": logits, "probability": logits.sigmoid()}

    def segment(self, image: Tensor, kernel: Tensor | None) -> Tensor:
        """As ``JointModel.segment_padded``, but padding is in the graph even if the tile traced needs none."""
        (height, width), multiple = image.shape[2:], self.model.seg.multiple
        padded = F.pad(image, (0, -width % multiple, 0, -height % multiple), mode="replicate")
        return self.model.seg(padded, kernel).logits[:, :, :height, :width]

    def forward(self, lr: Tensor) -> tuple[Tensor, ...]:
        """The tensors of ``named`` in their order."""
        return tuple(self.named(lr).values())


class DSRLGraph(JointGraph):
    """The same of a ``DSRL``; ``direct`` [1,1,h,w] are the logits of lr at its own size."""

    def named(self, lr: Tensor) -> dict[str, Tensor]:
        output = self.model(lr)
        direct = self.model.segment(lr).logits
        return {
            "restored": output.sr, "logits": output.logits, "probability": output.logits.sigmoid(), "direct": direct
        }


def graph_of(model: Model) -> JointGraph:
    """What to trace of a model in evaluation mode."""
    return (DSRLGraph if model.shares_input else JointGraph)(model).eval()
