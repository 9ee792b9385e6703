"""What all sections of an options file have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Base of all sections: strict types, no unknown keys, immutable after loading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
