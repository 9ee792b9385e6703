"""The loss of one training step: super-resolution, segmentation, or both."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from contracts.records import DegradedBatch, JointOutput, LossReport, Restored, Segmented
from losses.affinity import FeatureAffinity
from losses.combo import SegmentationLoss, probability
from losses.image_label import ImageLabelLoss
from losses.sr import KBPNLoss
from losses.weights import crack_oriented, distance_to_crack, fail_oriented

SR, SEG = "sr", "seg"


class JointLoss:
    """``(1 - beta) L_SR + beta L_seg``, or either alone; per-sample values, then the mean over the batch.

    ``L_seg = L(main) + aux_weight * sum over side outputs of C L(aux)``, where C is the number of maps
    (channels) in a side output. Kondo & Ukita, 2024, with the released code's weight of side outputs.
    An ``ImageLabelLoss`` looks at the outputs and the image labels alone.
    For a network that hands out features (DSRL), ``affinity_weight`` times their affinity loss is added.
    """

    def __init__(
        self,
        seg_loss: SegmentationLoss | ImageLabelLoss,
        sr_loss: KBPNLoss,
        aux_weight: float = 0.4,
        fail_amplitude: float = 0.0,
        crack_amplitude: float = 0.0,
        affinity: FeatureAffinity | None = None,
        affinity_weight: float = 0.0,
    ) -> None:
        """aux_weight: of side outputs; fail_amplitude, crack_amplitude: of the SR pixel weights, 0 = off.

        Fail-oriented weights need a segmentation of the restored image: without one they are left out.
        affinity, affinity_weight: the loss on pairs of features and its weight, None or 0 = off.
        """
        self.affinity = affinity if affinity_weight else None
        self.affinity_weight = affinity_weight
        self.seg_loss, self.sr_loss, self.aux_weight = seg_loss, sr_loss, aux_weight
        self.fail_amplitude, self.crack_amplitude = fail_amplitude, crack_amplitude

    def __call__(
        self,
        output: JointOutput | Restored | Segmented,
        batch: DegradedBatch,
        alpha: float = 1.0,
        beta: float = 0.5,
        parts: Collection[str] = (SR, SEG),
        oriented: bool = True,
    ) -> LossReport:
        """Return the loss that this step optimises, with its terms.

        output: what the parts ask for: ``sr`` and ``kernel`` for "sr", ``logits`` and ``aux`` for "seg".
        alpha: share of the region terms in the segmentation loss; beta: share of L_seg, used only when
        both parts are asked for; oriented: whether the SR pixel weights are in force. Terms (batch means,
        detached): sr, sr_image, sr_lr, sr_kernel, seg, seg_main, seg_aux, affinity, as far as they exist,
        and none that was not computed.
        Raises ValueError for an unknown or empty choice of parts, or for an output without them.
        """
        _check(parts, output, beta)
        terms: dict[str, Tensor] = {}
        weighted: list[Tensor] = []
        both = len(set(parts)) == 2
        if SR in parts:
            assert not isinstance(output, Segmented)
            weighted.append(self._sr(output, batch, terms, oriented) * (1 - beta if both else 1.0))
        if SEG in parts:
            assert not isinstance(output, Restored)
            weighted.append(self._seg(output, batch, alpha, terms) * (beta if both else 1.0))
        if both and self.affinity is not None and isinstance(output, JointOutput) and output.features is not None:
            terms["affinity"] = self.affinity(output.features)
            weighted.append(self.affinity_weight * terms["affinity"])
        detached = {name: term.detach() for name, term in terms.items()}
        return LossReport(total=torch.stack(weighted).sum(), terms=detached)

    def _sr(
        self, output: JointOutput | Restored, batch: DegradedBatch, terms: dict[str, Tensor], oriented: bool
    ) -> Tensor:
        weights = self._pixel_weights(output, batch) if oriented else []
        loss = self.sr_loss(output.sr, output.kernel, batch.hr, batch.lr, batch.kernel, weights)
        terms[SR] = loss.total.mean()
        terms.update({name: term.mean() for name, term in loss.terms.items()})
        return terms[SR]

    def _pixel_weights(self, output: JointOutput | Restored, batch: DegradedBatch) -> list[Tensor]:
        weights = []
        if self.fail_amplitude and isinstance(output, JointOutput):
            weights.append(fail_oriented(probability(output.logits), batch.mask, self.fail_amplitude))
        if self.crack_amplitude:
            weights.append(crack_oriented(distance_to_crack(batch.mask), self.crack_amplitude))
        return weights

    def _seg(
        self, output: JointOutput | Segmented, batch: DegradedBatch, alpha: float, terms: dict[str, Tensor]
    ) -> Tensor:
        if isinstance(self.seg_loss, ImageLabelLoss):
            assert batch.label is not None
            return self._labels(self.seg_loss, output, batch.label, terms)
        main = self.seg_loss(output.logits, batch.mask, batch.distance, alpha)
        terms["seg_main"] = main.mean()
        terms[SEG] = terms["seg_main"]
        if output.aux and self.aux_weight:
            sides = [m.shape[1] * self.seg_loss(m, batch.mask, batch.distance, alpha) for m in output.aux]
            terms["seg_aux"] = torch.stack(sides).sum(dim=0).mean()
            terms[SEG] = terms["seg_main"] + self.aux_weight * terms["seg_aux"]
        return terms[SEG]

    def _labels(
        self, loss: ImageLabelLoss, output: JointOutput | Segmented, label: Tensor, terms: dict[str, Tensor]
    ) -> Tensor:
        """The loss of image labels, of the main and the auxiliary maps."""
        terms["seg_main"] = loss(output.logits, label).mean()
        terms[SEG] = terms["seg_main"]
        if output.aux and self.aux_weight:
            sides = sum(loss(one, label).mean() for one in output.aux)
            assert isinstance(sides, Tensor)
            terms["seg_aux"] = sides
            terms[SEG] = terms["seg_main"] + self.aux_weight * terms["seg_aux"]
        return terms[SEG]


def _check(parts: Collection[str], output: JointOutput | Restored | Segmented, beta: float) -> None:
    if isinstance(parts, str) or not parts or not set(parts) <= {SR, SEG}:
        raise ValueError(f"parts must be a non-empty collection of '{SR}' and '{SEG}'; received {parts!r}")
    if not 0.0 <= beta <= 1.0:
        raise ValueError(f"beta must lie in [0, 1]; received {beta}")
    for part, attribute in ((SR, "sr"), (SEG, "logits")):
        if part in parts and getattr(output, attribute, None) is None:
            raise ValueError(f"the loss part '{part}' needs an output with '{attribute}'")
