"""What all sections of an options file have in common."""

from __future__ import annotations

import os
import typing
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

FilePath = Annotated[str, AfterValidator(os.path.expanduser)]  # "~" is the home folder, as in a shell
PrecisionName = Literal["auto", "float32", "bfloat16"]  # what they mean: engine.runtime.precision


class Section(BaseModel):
    """Base of all sections: strict types, no unknown keys, immutable after loading.

    KIND: the key, if any, that says which kind of thing is described; IDLE: keys that do nothing, by kind;
    TIED: keys that mean something else for another kind.
    """

    KIND: ClassVar[str] = "type"
    IDLE: ClassVar[dict[str, tuple[str, ...]]] = {}
    TIED: ClassVar[tuple[str, ...]] = ()

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def sections_in(annotation: Any) -> list[type[BaseModel]]:
    """The sections that an annotation holds, also in a list or beside None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in typing.get_args(annotation) for model in sections_in(inner)]
