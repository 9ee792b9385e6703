"""Released checkpoints to weights of our networks, with every misfit named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from contracts.errors import UserError, lookup
from contracts.names import first_of
from models.reference_keys.dsrl import DSRL
from models.reference_keys.restoration import DBPN, KBPN, SRCNET
from models.reference_keys.rules import Family
from models.reference_keys.segmentation import CRACKFORMER, HRNET_OCR, PSPNET, PSPNET_BLUR_SKIP, SEGNET, UNET

FAMILIES: dict[str, Family] = {
    "kbpn": KBPN,
    "dbpn": DBPN,
    "srcnet": SRCNET,
    "pspnet": PSPNET,
    "pspnet_blurskip": PSPNET_BLUR_SKIP,
    "segnet": SEGNET,
    "crackformer": CRACKFORMER,
    "hrnet_ocr": HRNET_OCR,
    "unet": UNET,
    "dsrl": DSRL,
}


def reference_keys(family: str, names: Iterable[str]) -> dict[str, str]:
    """Map the authors' names to ours.

    Args:
        family: a key of ``FAMILIES``.
        names: our tensor names of a network of this family.
    """
    rename = lookup(FAMILIES, family, "network family").rename
    return {rename(name): name for name in names}


def strip_parallel(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Drop the leading ``module.`` that data-parallel training leaves on names."""
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def convert(family: str, network: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a released checkpoint that belong to ``network``, under our names.

    Other networks' tensors in the same checkpoint are left out, and those that the family does not use.

    Args:
        family: a key of ``FAMILIES``.
        network: our network of this family.
        state: the checkpoint's tensors by the authors' names.

    Raises:
        UserError: naming missing and unexpected tensors of this network, or the first with another shape.
    """
    owns = lookup(FAMILIES, family, "network family").owns
    expected = network.state_dict()
    keys = reference_keys(family, expected)
    theirs = {name: tensor for name, tensor in strip_parallel(state).items() if owns(name)}
    _check_names(family, set(keys), set(theirs))
    for reference, name in keys.items():
        if theirs[reference].shape != expected[name].shape:
            shapes = f"{list(theirs[reference].shape)}, the network expects {list(expected[name].shape)}"
            raise UserError(f"reference weights for {family}: '{reference}' has shape {shapes}; check width")
    return {name: theirs[reference] for reference, name in keys.items()}


def _check_names(family: str, expected: set[str], names: set[str]) -> None:
    """Raise UserError unless both sets of names are equal."""
    missing, unexpected = sorted(expected - names), sorted(names - expected)
    if missing or unexpected:
        raise UserError(
            f"reference weights for {family} do not fit: {some('missing', missing)}, "
            f"{some('unexpected', unexpected)}; check stages, width and encoder"
        )


def some(what: str, names: list[str]) -> str:
    """How many names there are, at most three of them written out: ``"2 missing (a, b)"``.

    Args:
        what: what is said of them.
        names: the names.
    """
    return f"{len(names)} {what} ({first_of(names, 3)})" if names else f"0 {what}"


def load_reference(family: str, network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load a released checkpoint's tensors into a network, strictly.

    Args:
        family: a key of ``FAMILIES``.
        network: our network of this family.
        state: the checkpoint's tensors by the authors' names.

    Raises:
        UserError: as of ``convert``.
    """
    network.load_state_dict(convert(family, network, state), strict=True)
