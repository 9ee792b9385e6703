"""The loss of one training step: super-resolution, segmentation, or both."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from contracts.errors import ArgumentError
from contracts.records import DegradedBatch, JointOutput, LossReport, Restored, Segmented
from losses.affinity import FeatureAffinity
from losses.blur import blur_loss, kernel_moments
from losses.combo import SegmentationLoss, probability
from losses.image_label import ImageLabelLoss
from losses.sr import KBPNLoss
from losses.topology import TopologyLoss
from losses.weights import crack_oriented, distance_to_crack, fail_oriented

SR, SEG = "sr", "seg"


@dataclass(frozen=True)
class JointLoss:
    """``(1 - beta) L_SR + beta L_seg``, or either alone; per-sample values, then the mean over the batch.

    ``L_seg = L(main) + aux_weight * sum over side outputs of C L(aux)``, where C is the number of maps
    (channels) in a side output. Kondo & Ukita, 2024, with the released code's weight of side outputs.
    An ``ImageLabelLoss`` looks at the outputs and the image labels alone.
    ``topology_weight`` times the topology loss of the main output is added to ``L_seg``; side outputs have none. So is,
    for a network that estimates the blur, ``blur_weight`` times the error of that estimate.
    For a network that hands out features (DSRL), ``affinity_weight`` times their affinity loss is added.

    Attributes:
        seg_loss: the loss of the segmentation.
        sr_loss: the loss of the restoration.
        aux_weight: of side outputs.
        fail_amplitude: of the fail-oriented SR pixel weights, 0 = off. They need a segmentation of the restored image:
            without one they are left out.
        crack_amplitude: of the crack-oriented SR pixel weights, 0 = off.
        affinity: the loss on pairs of features, or None.
        affinity_weight: its weight, 0 = off.
        topology: the loss on how the segmented structures hang together, or None.
        topology_weight: its weight, 0 = off.
        blur_weight: of the estimated blur, 0 = off.

    Raises:
        ArgumentError: for a topology loss, which needs masks, beside an image-label loss, which has none.
    """

    seg_loss: SegmentationLoss | ImageLabelLoss
    sr_loss: KBPNLoss
    aux_weight: float = 0.4
    fail_amplitude: float = 0.0
    crack_amplitude: float = 0.0
    affinity: FeatureAffinity | None = None
    affinity_weight: float = 0.0
    topology: TopologyLoss | None = None
    topology_weight: float = 0.0
    blur_weight: float = 0.0

    def __post_init__(self) -> None:
        if self.topology is not None and self.topology_weight and isinstance(self.seg_loss, ImageLabelLoss):
            raise ArgumentError("a topology loss needs masks, which an image-label loss does without")

    def __call__(
        self,
        output: JointOutput | Restored | Segmented,
        batch: DegradedBatch,
        alpha: float = 1.0,
        beta: float = 0.5,
        tasks: Collection[str] = (SR, SEG),
        oriented: bool = True,
        sharp: int = 0,
    ) -> LossReport:
        """Return the loss that this step optimises, with its terms.

        Args:
            output: what the tasks ask for: ``sr`` and ``kernel`` for "sr", ``logits`` and ``aux`` for "seg".
            batch: the input with its targets.
            alpha: share of the region terms in the segmentation loss, in [0, 1].
            beta: share of L_seg, in [0, 1], used only when both tasks are asked for.
            tasks: "sr", "seg" or both.
            oriented: whether the SR pixel weights are in force.
            sharp: how many samples, the first, were segmented from sharp photographs, which have no blur.

        Returns:
            The total and the terms that were computed (batch means, detached): sr, sr_image, sr_lr, sr_kernel, seg,
            seg_main, seg_aux, seg_topology, seg_blur, affinity.

        Raises:
            ValueError: for an unknown or empty choice of tasks, or for an output without them.
        """
        _check(tasks, output, beta)
        terms: dict[str, Tensor] = {}
        weighted: list[Tensor] = []
        both = len(set(tasks)) == 2
        if SR in tasks:
            assert not isinstance(output, Segmented)
            weighted.append(self._sr(output, batch, terms, oriented) * (1 - beta if both else 1.0))
        if SEG in tasks:
            assert not isinstance(output, Restored)
            weighted.append(self._seg(output, batch, alpha, terms, sharp) * (beta if both else 1.0))
        features = output.features if both and isinstance(output, JointOutput) else None
        if features is not None and self.affinity is not None and self.affinity_weight:
            terms["affinity"] = self.affinity(features)
            weighted.append(self.affinity_weight * terms["affinity"])
        detached = {name: term.detach() for name, term in terms.items()}
        return LossReport(total=torch.stack(weighted).sum(), terms=detached)

    def _sr(
        self, output: JointOutput | Restored, batch: DegradedBatch, terms: dict[str, Tensor], oriented: bool
    ) -> Tensor:
        """L_SR of the batch; its terms are added to ``terms``."""
        weights = []
        if oriented and self.fail_amplitude and isinstance(output, JointOutput):
            weights.append(fail_oriented(probability(output.logits), batch.mask, self.fail_amplitude))
        if oriented and self.crack_amplitude:
            weights.append(crack_oriented(distance_to_crack(batch.mask), self.crack_amplitude))
        loss = self.sr_loss(output.sr, output.kernel, batch.hr, batch.lr, batch.kernel, weights)
        terms[SR] = loss.total.mean()
        terms.update({name: term.mean() for name, term in loss.terms.items()})
        return terms[SR]

    def _seg(
        self, output: JointOutput | Segmented, batch: DegradedBatch, alpha: float, terms: dict[str, Tensor], sharp: int
    ) -> Tensor:
        """L_seg of the batch, of masks or of image labels; its terms are added to ``terms``."""
        sides = output.aux if self.aux_weight else ()
        aux: Tensor | int = 0
        if isinstance(self.seg_loss, ImageLabelLoss):
            assert batch.label is not None
            main = self.seg_loss(output.logits, batch.label).mean()
            aux = sum(self.seg_loss(side, batch.label).mean() for side in sides)
        else:
            main = self.seg_loss(output.logits, batch.mask, batch.distance, alpha).mean()
            losses = [side.shape[1] * self.seg_loss(side, batch.mask, batch.distance, alpha) for side in sides]
            if losses:
                aux = torch.stack(losses).sum(dim=0).mean()
        terms["seg_main"] = terms[SEG] = main
        if isinstance(aux, Tensor):
            terms["seg_aux"] = aux
            terms[SEG] = main + self.aux_weight * aux
        if self.topology is not None and self.topology_weight:
            terms["seg_topology"] = self.topology(probability(output.logits), batch.mask).mean()
            terms[SEG] = terms[SEG] + self.topology_weight * terms["seg_topology"]
        if output.blur is not None and self.blur_weight:
            truth = kernel_moments(batch.kernel)
            truth[:sharp] = 0
            terms["seg_blur"] = blur_loss(output.blur, truth).mean()
            terms[SEG] = terms[SEG] + self.blur_weight * terms["seg_blur"]
        return terms[SEG]


def _check(tasks: Collection[str], output: JointOutput | Restored | Segmented, beta: float) -> None:
    if isinstance(tasks, str) or not tasks or not set(tasks) <= {SR, SEG}:
        raise ValueError(f"tasks must be a non-empty collection of '{SR}' and '{SEG}'; received {tasks!r}")
    if not 0.0 <= beta <= 1.0:
        raise ValueError(f"beta must lie in [0, 1]; received {beta}")
    for task, attribute in ((SR, "sr"), (SEG, "logits")):
        if task in tasks and getattr(output, attribute, None) is None:
            raise ValueError(f"the task '{task}' needs an output with '{attribute}'")
