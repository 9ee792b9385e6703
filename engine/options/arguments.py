"""Checks the options of a class against its constructor: the signature is the schema."""

from __future__ import annotations

import inspect
import typing
from typing import Any

from pydantic import ConfigDict, ValidationError, create_model

from contracts.errors import UserError
from engine.options.load import describe


def checked_arguments(cls: type, given: dict[str, Any], path: str, fixed: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return ``given`` validated against the constructor of ``cls``.

    path: where these options stand in the file, for errors; fixed: arguments that follow from
    other options and may not be given. Raises UserError for unknown names and wrong types.
    """
    hints = typing.get_type_hints(cls.__init__)  # type: ignore[misc]  # of this very class, no subclass
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        if name in fixed or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[name] = (hints.get(name, Any), default)
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    model = create_model(cls.__name__ + "Options", __config__=config, **fields)
    try:
        checked = model.model_validate(given)
    except ValidationError as error:
        raise UserError("; ".join(f"{path}.{line}" for line in describe(error, model))) from None
    return {name: getattr(checked, name) for name in given}
