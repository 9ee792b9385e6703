"""What networks promise: bases of those that restore, of those that segment, and of whole models that do both.

A whole model is used in phases, which training, evaluation, tiles and ONNX only put together:

    restore_maps   a low-resolution tile -> maps of its restored size, and the blur kernel
    statistics     of a whole restored image, for what normalises by them
    segment_maps   a tile of those maps -> logits
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

from torch import Tensor, nn

from contracts.errors import ArgumentError
from contracts.records import JointOutput, Restored, Segmented

Statistics = tuple[Tensor, Tensor]  # what to subtract from an image, and then to multiply it by: [B,3,1,1] each


class SuperResolution(nn.Module):
    """A network ``forward(lr, kernel=None) -> Restored``.

    ``lr`` [B,3,h,w] is in [0,1]; the result has sr [B,3,h*scale,w*scale], unclipped.
    ``kernel`` [B,1,k,k] as an argument is the true one, in the stage ``sr_true_kernel``.

    Attributes:
        scale: enlargement.
        feature_channels: channels of ``Restored.features``, None where none are handed over.
        latent_channels: channels of ``Restored.latent``, None where there is none.
        estimates_kernel: whether the network is blind, so that ``Restored.kernel`` is there.
        supports_gradient_checkpointing: see ``models.checkpointing``.
    """

    scale: int
    feature_channels: int | None = None
    latent_channels: int | None = None
    estimates_kernel = False
    supports_gradient_checkpointing = False
    gradient_checkpointing = False

    def kernel_parameters(self) -> Iterable[nn.Parameter]:
        """Parameters that only estimate the kernel, which the stage ``kernel`` trains alone."""
        return ()


class Segmentation(nn.Module):
    """A network ``forward(x, kernel=None) -> Segmented``; ``x`` [B,3,H,W] is a normalised image.

    Attributes:
        multiple: number that both sides of ``x`` are divisible by.
        stride: tiles of a photograph start at multiples of it, so that strided layers answer alike (``multiple``,
            unless a network says otherwise).
        needs_kernel: whether the network uses the blur kernel [B,1,k,k] that the SR network estimated.
        may_lack: beginnings of tensor names that weights to start from need not have.
        skip_path: the module that the stage ``blur_skip`` trains alone, None without one.
        injected: of a network ``forward(x, kernel=None, added=None)`` that takes maps to be added to its features:
            their channels at full size (0: none there), and at strides 2 and 4; None where nothing is taken.
    """

    multiple: int = 1
    injected: tuple[int, tuple[int, int]] | None = None
    needs_kernel = False
    may_lack: tuple[str, ...] = ()

    @property
    def stride(self) -> int:
        """See above."""
        return self.multiple

    @property
    def skip_path(self) -> nn.Module | None:
        """See above."""
        return None

    def frozen_parameters(self) -> Iterable[nn.Parameter]:
        """Parameters that no stage trains."""
        return ()

    def task_features(self, x: Tensor) -> list[Tensor]:
        """What the network's encoder sees in an image: the maps of ``encoder``, unless a network says otherwise.

        They are the maps that ``forward`` makes of the same image in training, and in the mode (batch norm) that the
        network is in.

        Args:
            x: normalised image [B,3,H,W], sides divisible by ``multiple``.

        Returns:
            Maps [B,C_i,h_i,w_i], finest first.

        Raises:
            ArgumentError: for a network without an encoder.
        """
        encoder = getattr(self, "encoder", None)
        if encoder is None:
            raise ArgumentError(f"{type(self).__name__} has no encoder whose features could be compared")
        return list(encoder(x))

    def handed_on(self, features: Sequence[Tensor]) -> tuple[Tensor, ...] | None:
        """What ``forward`` gives as ``Segmented.encoded``: the encoder's maps in training, else nothing."""
        return tuple(features) if self.training else None


class FeatureInfo(Protocol):
    """What is known of feature maps, in timm's form: the channels of each."""

    def channels(self) -> list[int]: ...


class Encoder(nn.Module):
    """A part ``forward(x [B,3,H,W]) -> list of feature maps``, finest first; feature_info: of these maps."""

    feature_info: FeatureInfo


@dataclass(frozen=True)
class Maps:
    """What restoring leaves for the segmentation: maps of one size, of which tiles can be cut.

    Args:
        image: restored image [B,3,H,W], in [0,1] if the model clips.
        image_offset: [B,3,H,W], added to the normalised image, or None.
        logits_offset: [B,1,H,W], added to the logits, or None.
        logits: [B,1,H,W], all of them, of a model that segments what it restores from, or None.
        enlarged: [B,3,H,W], segmented instead of ``image``, or None.
        beside: [B,C,H,W], looked at beside it, or None.
    """

    image: Tensor
    image_offset: Tensor | None = None
    logits_offset: Tensor | None = None
    logits: Tensor | None = None
    enlarged: Tensor | None = None
    beside: Tensor | None = None

    @property
    def looked_at(self) -> Tensor:
        """The image that is segmented."""
        return self.image if self.enlarged is None else self.enlarged

    def tensors(self) -> dict[str, Tensor]:
        """Those that there are, by name; ``Maps(**tensors)`` is the same again."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


class WholeModel(nn.Module):
    """A model that restores and segments: two networks in a chain (``models.joint``), or one for both tasks.

    Attributes:
        scale: enlargement.
        stride: as of ``Segmentation``.
        sr: the part that stages train as the super-resolution network.
        seg: the part that stages train as the segmentation network.
        needs_kernel: whether segmenting needs the kernel that restoring estimates.
    """

    scale: int
    stride: int
    sr: nn.Module
    seg: nn.Module
    needs_kernel = False

    def restore(self, lr: Tensor, kernel: Tensor | None = None) -> Restored:
        """Super-resolve a low-resolution image.

        Args:
            lr: image [B,3,h,w] in [0,1].
            kernel: true blur kernel [B,1,k,k], if it is known.
        """
        raise NotImplementedError

    def segment(
        self, image: Tensor, kernel: Tensor | None = None, features: tuple[Tensor, ...] | None = None
    ) -> Segmented:
        """Segment an image at its own size.

        Args:
            image: [B,3,H,W] in [0,1].
            kernel: blur kernel [B,1,k,k] of its restoration.
            features: SR network's features of its restoration.
        """
        raise NotImplementedError

    def forward(self, lr: Tensor, kernel: Tensor | None = None) -> JointOutput:
        """Restore and segment a low-resolution image.

        Args:
            lr: image [B,3,h,w] in [0,1].
            kernel: true blur kernel [B,1,k,k], if it is known.
        """
        raise NotImplementedError

    def task_features(self, image: Tensor) -> list[Tensor]:
        """What the segmentation network's encoder sees in an image, prepared as ``segment`` does it.

        Args:
            image: [B,3,H,W] in [0,1].

        Returns:
            Maps [B,C_i,h_i,w_i], finest first.

        Raises:
            ArgumentError: for a model or a segmentation network that has no such maps.
        """
        raise ArgumentError(
            f"{type(self).__name__} has no encoder of its segmentation whose features could be compared"
        )

    def restore_maps(self, lr: Tensor) -> tuple[Maps, Tensor | None]:
        """The maps that ``lr`` [B,3,h,w] leaves for ``segment_maps``, and the estimated kernel [B,1,k,k] or None."""
        raise NotImplementedError

    def statistics(self, image: Tensor) -> Statistics | None:
        """What tiles of ``image`` [1,3,H,W] are normalised by; None where nothing of the whole image is needed."""
        return None

    def segment_maps(self, maps: Maps, kernel: Tensor | None = None, statistics: Statistics | None = None) -> Segmented:
        """Segment maps or a tile of them.

        Args:
            maps: what ``restore_maps`` returned.
            kernel: blur kernel [B,1,k,k], for models with ``needs_kernel``.
            statistics: of the whole image; None: ``maps`` is all of it.
        """
        raise NotImplementedError

    def named_tensors(self, lr: Tensor) -> dict[str, Tensor]:
        """Every tensor of the way of a tile [1,3,h,w] that an exported graph gives a name (``engine.export``)."""
        raise NotImplementedError

    def described(self) -> dict[str, str]:
        """What an exported file has to tell, so that the model can be put together again around its graph."""
        return {}

    def kernel_parameters(self) -> Iterable[nn.Parameter]:
        """Of ``sr``: those that only estimate the kernel."""
        return ()

    def shared_parameters(self) -> Iterable[nn.Parameter]:
        """Those that both tasks use."""
        return ()

    def frozen_parameters(self) -> Iterable[nn.Parameter]:
        """Those that no stage trains."""
        return ()

    @property
    def skip_path(self) -> nn.Module | None:
        """What the stage ``blur_skip`` trains alone."""
        return None

    def param_groups(self) -> dict[str, list[nn.Parameter]]:
        """The parameters by what trains them: "sr", "kernel", "encoder", "skip" and "seg", all that is left."""
        groups = {
            "kernel": list(self.kernel_parameters()),
            "encoder": list(self.shared_parameters()),
            "skip": [] if self.skip_path is None else list(self.skip_path.parameters()),
        }
        known = {id(parameter) for group in groups.values() for parameter in group}
        groups["sr"] = [parameter for parameter in self.sr.parameters() if id(parameter) not in known]
        known |= {id(parameter) for parameter in groups["sr"]}
        groups["seg"] = [parameter for parameter in self.parameters() if id(parameter) not in known]
        return {name: groups[name] for name in ("sr", "kernel", "encoder", "skip", "seg")}


class ParallelModel(WholeModel):
    """A model that segments the image that it restores from, not the restored one: one network with two heads, say.

    Of a subclass ``scale``, ``stride``, ``restore``, ``segment``, ``forward`` and what trains (``sr``, ``seg``,
    ``shared_parameters``) are asked; ``forward`` gives logits at ``scale`` times the size, ``segment`` at the image's
    own.
    """

    def restore_maps(self, lr: Tensor) -> tuple[Maps, Tensor | None]:
        output = self(lr)
        return Maps(output.sr, logits=output.logits), output.kernel

    def segment_maps(self, maps: Maps, kernel: Tensor | None = None, statistics: Statistics | None = None) -> Segmented:
        return self.segment(maps.image) if maps.logits is None else Segmented(maps.logits)

    def named_tensors(self, lr: Tensor) -> dict[str, Tensor]:
        """restored [1,3,H,W], logits, probability [1,1,H,W]; direct [1,1,h,w]: the logits of ``lr`` at its own size."""
        maps, _ = self.restore_maps(lr)
        direct = self.segment(lr).logits
        logits = self.segment_maps(maps).logits
        return {"restored": maps.image, "logits": logits, "probability": logits.sigmoid(), "direct": direct}
