"""Checks the options of a class against its constructor: the signature is the schema."""

from __future__ import annotations

import inspect
from typing import Any

from pydantic import ConfigDict, ValidationError, create_model

from contracts.errors import UserError
from engine.options.load import describe


def parameters_of(cls: type) -> dict[str, inspect.Parameter]:
    """The constructor's parameters by name, annotations resolved; ``**keywords`` stands for the base class's own."""
    parameters: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        own = inspect.signature(vars(base)["__init__"], eval_str=True).parameters
        parameters = {**own, **parameters}
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in own.values()):
            break
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {name: value for name, value in parameters.items() if name != "self" and value.kind not in variadic}


def checked_arguments(cls: type, given: dict[str, Any], path: str, fixed: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return ``given`` validated against the constructor of a class.

    Args:
        cls: the class.
        given: its arguments by name.
        path: where these options stand in the file, for errors.
        fixed: arguments that follow from other options and may not be given.

    Raises:
        UserError: for unknown names and wrong types.
    """
    fields: dict[str, Any] = {}
    for name, parameter in parameters_of(cls).items():
        if name not in fixed:
            annotation = Any if parameter.annotation is parameter.empty else parameter.annotation
            fields[name] = (annotation, ... if parameter.default is parameter.empty else parameter.default)
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    model = create_model(cls.__name__ + "Options", __config__=config, **fields)
    try:
        checked = model.model_validate(given)
    except ValidationError as error:
        raise UserError("; ".join(f"{path}.{line}" for line in describe(error, model))) from None
    return {name: getattr(checked, name) for name in given}
