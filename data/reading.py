"""How the files of a set are read: what the options say, and else what its files agree on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from contracts.errors import UserError
from contracts.names import first_of
from data.depth import FULL_DEPTH, depth_note, depth_of
from data.mask_scale import decide_scale
from data.masks import Scale
from data.orientation import TURNED, UPRIGHT
from data.survey import PairFacts, PhotoFacts, together

NAMED = 4  # files named of those that a note is about


@dataclass(frozen=True)
class Reading:
    """How the files of a set are to be read, where that cannot be seen in them.

    Attributes:
        bits: depth of values in 16-bit files.
        crack_values: the mask values that mean crack.
        crack_from: the smallest of them.
        mask_orientation: masks without EXIF data are "upright", or "stored" as the pixels of their photograph.
    """

    bits: int | None = None
    crack_values: tuple[int, ...] | None = None
    crack_from: int | None = None
    mask_orientation: Literal["upright", "stored"] | None = None

    def identity(self) -> list:
        """What is not as usual, as values that JSON can hold."""
        return [[name, value] for name, value in vars(self).items() if value is not None]


def decide_bits(photos: Iterable[PhotoFacts], asked: int | None) -> tuple[int | None, list[str]]:
    """Decide the depth of a set's 16-bit files.

    Args:
        photos: what decoding the photographs showed.
        asked: the depth that the options give, or None.

    Returns:
        The depth in bits, None if no file has 16, and a note where it is a guess.

    Raises:
        UserError: for a depth that is less than a file needs, or without effect.
    """
    deep = [(photo.largest, photo.path) for photo in photos if photo.largest is not None]
    if not deep:
        if asked is not None:
            raise UserError(f"bits: {asked} is for files of 16 bits, and there is none; leave it out")
        return None, []
    largest, brightest = max(deep, key=lambda entry: entry[0])
    if asked is not None:
        if largest >= 2**asked:
            raise UserError(
                f"bits: '{brightest}' holds values up to {largest}, more than {asked} allows; give more, such as 16"
            )
        return asked, []
    bits = depth_of(largest)
    guessed = bits < FULL_DEPTH and largest > 0
    return bits, [f"{len(deep)} photographs: {depth_note(largest, bits)}"] if guessed else []


def decide_masks(facts: Sequence[PairFacts], reading: Reading) -> Scale:
    """Decide what the values of a set's masks mean.

    Args:
        facts: what decoding the pairs showed.
        reading: what the options say of the values.

    Raises:
        UserError: as of `decide_scale`.
    """
    names = [pair.pair.mask.name for pair in facts]
    return decide_scale(names, [pair.mask for pair in facts], reading.crack_values, reading.crack_from)


def decide_turn(facts: Sequence[PairFacts], asked: str | None) -> tuple[bool, list[str]]:
    """Decide whether masks without EXIF data are turned like their photographs.

    Unless the options say it, sizes tell; where they cannot (square ones, half turns, mirrors), other pairs of the set
    whose sizes say "upright" decide.

    Args:
        facts: what decoding the pairs showed.
        asked: "upright" or "stored", as of `Reading`, or None.

    Returns:
        Whether they are turned, and a note where that is concluded.

    Raises:
        UserError: where nothing tells, where sizes say that masks are as stored, for sizes that do not fit, and where
            ``asked`` has no effect.
    """
    doubtful = [pair for pair in facts if pair.photo.orientation != UPRIGHT and not pair.mask_turned]
    if asked is not None and not doubtful:
        raise UserError(f"mask_orientation: {asked} has no effect: no photograph has an EXIF turn that its mask lacks")
    turn = asked == "stored"
    errors = [error for pair in facts if (error := _size_error(pair, turn, asked is None)) is not None]
    if errors:
        raise together(errors, len(facts))
    if asked is not None or not doubtful:
        return turn, []
    silent = [
        pair for pair in doubtful if pair.photo.orientation not in TURNED or pair.mask_size[0] == pair.mask_size[1]
    ]
    if not silent:
        return False, []
    names = first_of([f"'{pair.pair.image.name}'" for pair in silent], NAMED)
    finding = f"{len(silent)} photographs carry an EXIF turn that their masks lack, and sizes do not tell ({names})"
    if len(silent) == len(doubtful):
        raise UserError(
            f"{finding}; look at one pair: say mask_orientation: stored if the mask lies as the unturned pixels do "
            "(it is turned alike then), or mask_orientation: upright if it fits the upright photograph"
        )
    return False, [f"{finding}: masks are upright, as those of the other turned photographs are"]


def _size_error(facts: PairFacts, turn: bool, may_repair: bool) -> UserError | None:
    """What is wrong with the sizes of a pair, its mask turned like the photograph if ``turn``."""
    height, width = facts.photo.size
    mask = facts.mask_size
    exchanged = facts.photo.orientation in TURNED and not facts.mask_turned
    if (mask[::-1] if turn and exchanged else mask) == (height, width):
        return None
    sizes = (
        f"image '{facts.pair.image}' and its mask '{facts.pair.mask}' differ in size "
        f"({width}x{height} and {mask[1]}x{mask[0]} pixels)"
    )
    if exchanged and may_repair and mask == (width, height):
        reason = "the mask ignores the photograph's EXIF orientation; rotate the mask, or say mask_orientation: stored"
        return UserError(f"{sizes}: {reason}")
    return UserError(f"{sizes}: export the mask at the size of the image, or remove the pair")


def counted_notes(photos: Iterable[PhotoFacts]) -> list[str]:
    """The notes on a set's photographs, each once, with how many it is about and the first of them."""
    about: dict[str, list[str]] = {}
    for photo in photos:
        for note in photo.notes:
            about.setdefault(note, []).append(photo.path.name)
    return [f"{len(names)} photographs, first '{names[0]}': {note}" for note, names in about.items()]
