"""The terms of the photographs that weights may be trained on, by folder, and the strictest of some."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

NONE, ATTRIBUTION, COPYLEFT, RESEARCH = range(4)  # from the mildest to the strictest
PHRASES = {
    NONE: "not restricted by the photographs",
    ATTRIBUTION: "free, with the attribution that the licences below ask for",
    COPYLEFT: "under the GPL-3.0",
    RESEARCH: "research and other non-commercial use only",
}


@dataclass(frozen=True)
class Terms:
    """Terms of photographs.

    Args:
        licence: as the source states it.
        source: whom to cite.
        level: how strict, what is not stated being strictest.
    """

    licence: str
    source: str
    level: int = RESEARCH


DRAWN = "drawn photographs"
FOLDERS = {
    "khanhha_test": Terms("none stated; parts non-commercial", "khanhha/crack_segmentation, official test split"),
    "DeepCrack": Terms("non-commercial research", "Liu et al., Neurocomputing 338, 2019"),
    "CRACK500": Terms("none stated", "Zhang et al., ICIP 2016; Yang et al., T-ITS 2020"),
    "Masonry": Terms("GPL-3.0", "Dais et al., Automation in Construction 125, 2021", COPYLEFT),
    "LCSD": Terms("Apache-2.0 (the authors' card)", "Yao et al., CrackNex, ICRA 2024", ATTRIBUTION),
    "SUT": Terms("CC BY 4.0", "Sabouri & Sepidbar, Data in Brief 51, 2023", ATTRIBUTION),
    "CrackMap": Terms("none stated", "Katsamenis et al."),
    "CFD": Terms("non-commercial research", "Shi et al., T-ITS 17(12), 2016"),
    "CrackTile": Terms("MIT (photographs partly from the web)", "Ruiz et al., Ambiente Construido 21, 2021"),
    "UAV75": Terms("GPL-3.0", "Benz et al., IVCNZ 2019", COPYLEFT),
    "METU_labels": Terms("as Mendeley Data 5y9wdsg2zt states", "Özgenel, concrete crack images for classification"),
    "wild": Terms("none stated", "khanhha/crack_segmentation, test_imgs"),
    DRAWN: Terms("none needed: drawn by this project", "data/synthetic", NONE),
}
UNKNOWN = Terms("not known to this project", "-")


def terms_of(folder: str) -> Terms:
    """The terms of a folder of photographs; of one that is not in the table, ``UNKNOWN``."""
    return FOLDERS.get(folder, UNKNOWN)


def strictest(folders: Iterable[str]) -> str:
    """What weights trained on photographs of these folders may be used for, and because of which."""
    levels = {folder: terms_of(folder).level for folder in folders}
    level = max(levels.values(), default=RESEARCH)
    bound = sorted(folder for folder, own in levels.items() if own == level)
    return PHRASES[level] + (f" (because of {', '.join(bound)})" if bound and level > NONE else "")
