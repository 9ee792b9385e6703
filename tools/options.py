"""Every option of an options file: its type, default and meaning, from the schema that reads the files.

python -m tools.options                       all of them
python -m tools.options train datasets.train  some sections
python -m tools.options --networks            types of networks and losses, with their arguments
python -m tools.options --json options.schema.json     a JSON schema, for editors that complete and check YAML
"""

from __future__ import annotations

import json
import signal
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import AfterValidator, BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from contracts.command_line import module_parser
from contracts.errors import UserError, run_main
from contracts.files import write_text
from contracts.paths import user_path
from engine.options import Options
from engine.options.arguments import parameters_of
from engine.options.section import sections_in
from losses.combo import SEGMENTATION_LOSSES
from losses.image_label import IMAGE_LABEL_LOSSES
from losses.topology import TOPOLOGY_LOSSES
from models.seg import SEG_NETWORKS
from models.sr import SR_NETWORKS
from models.whole import WHOLE_NETWORKS

TABLES: dict[str, dict[str, Any]] = {
    "network_sr.type": SR_NETWORKS,
    "network_seg.type": SEG_NETWORKS,
    "network.type": WHOLE_NETWORKS,
    "loss.segmentation.type": {**SEGMENTATION_LOSSES, **IMAGE_LABEL_LOSSES},
    "loss.topology.type": TOPOLOGY_LOSSES,
}
FOLLOWS = ("scale", "kernel_side", "clip")  # arguments that follow from other options
EDITORS = "# yaml-language-server: $schema="


def shown(annotation: Any) -> str:
    """A type as people write it."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return "file"
    if origin is typing.Literal:
        return " | ".join(str(value) for value in inner)
    if origin in (typing.Union, types.UnionType):
        return " | ".join("null" if member is type(None) else shown(member) for member in inner)
    if origin is list:
        return f"list of {shown(inner[0])}"
    if origin is dict:
        return "mapping"
    return {"str": "text", "NoneType": "null"}.get(
        getattr(annotation, "__name__", ""), getattr(annotation, "__name__", str(annotation))
    )


def limits(field: FieldInfo) -> str:
    """What a number may be, such as ">= 1"."""
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    rules = (
        (signs[name], getattr(rule, name))
        for rule in field.metadata
        for name in signs
        if getattr(rule, name, None) is not None
    )
    return ", ".join(f"{sign} {value:g}" for sign, value in rules)


def default_of(field: FieldInfo) -> str:
    """The default as YAML would have it."""
    if field.default is PydanticUndefined:
        return "required"
    return "unset" if field.default is None else json.dumps(field.default, default=str)


def fields_of(models: Sequence[type[BaseModel]]) -> dict[str, list[type[BaseModel]]]:
    """The names of all fields, each with the sections that have it."""
    names = dict.fromkeys(name for model in models for name in model.model_fields)
    return {name: [model for model in models if name in model.model_fields] for name in names}


def lines(models: Sequence[type[BaseModel]], path: str = "") -> Iterator[tuple[str, str, str, str]]:
    """(path, type, default, meaning) of every option below a section, or below sections that differ by type."""
    for name, owners in fields_of(models).items():
        field = owners[0].model_fields[name]
        option = f"{path}.{name}".lstrip(".")
        below = sections_in(field.annotation)
        if below:
            is_list = "list" in str(field.annotation)
            yield from lines(below, f"{option}[]" if is_list else option)
            continue
        several = name == "type" and len(models) > 1
        is_file = any(isinstance(rule, AfterValidator) for rule in field.metadata)
        kind = (
            "file"
            if is_file
            else " | ".join(shown(model.model_fields[name].annotation) for model in (models if several else owners[:1]))
        )
        rule = limits(field)
        meaning = "drawn photographs, or files" if several else field.description or ""
        if len(owners) < len(models):
            meaning += f" (type {shown(owners[0].model_fields['type'].annotation)})"
        yield option, f"{kind} ({rule})" if rule else kind, default_of(field), meaning
    if models[0].model_config.get("extra") == "allow":
        yield f"{path}.*", "", "", "arguments of the type, listed by --networks"


def arguments(cls: Any) -> str:
    """The arguments of a network or loss with their defaults, as far as options may set them."""
    fixed = getattr(cls, "keywords", {})
    parameters = parameters_of(getattr(cls, "func", cls)).values()
    settable = (parameter for parameter in parameters if parameter.name not in (*FOLLOWS, *fixed))
    return ", ".join(
        parameter.name if parameter.default is parameter.empty else f"{parameter.name}: {parameter.default}"
        for parameter in settable
    )


def main(argv: list[str] | None = None) -> None:
    """Print what is asked for, or write the schema."""
    parser = module_parser("tools.options", __doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help="such as train or datasets.train; unset: all")
    parser.add_argument("--networks", action="store_true", help="networks and losses with their arguments")
    parser.add_argument("--json", type=user_path, metavar="FILE", help="write a JSON schema")
    args = parser.parse_args(argv)
    if args.json is not None:
        write_schema(args.json)
        return
    if args.networks:
        for option, table in TABLES.items():
            print(f"{option}:")
            print("".join(f"  {name:<26} {arguments(cls)}\n" for name, cls in table.items()))
        return
    options = list(lines([Options]))
    for section in args.sections:
        if not any(is_below(path, section) for path, *_ in options):
            raise UserError(f"no option '{section}'; see python -m tools.options")
    for path, kind, default, meaning in options:
        if not args.sections or any(is_below(path, section) for section in args.sections):
            print(f"{path:<42} {kind}, {default}" + (f"\n    {meaning}" if meaning else ""))


def is_below(path: str, section: str) -> bool:
    """Whether an option is a section's, or the one named."""
    return path == section or path.startswith((f"{section}.", f"{section}[]"))


def write_schema(path: Path) -> None:
    """Write the JSON schema of an options file, with ``base``."""
    schema = Options.model_json_schema()
    schema["properties"]["base"] = {"type": "string", "description": "a file that this one changes"}
    for part in (schema, *schema["$defs"].values()):
        part.pop("required", None)  # what a base gives need not be repeated
    write_text(path, json.dumps(schema, indent=1) + "\n")
    print(f"wrote {path}; in an options file, for editors with a YAML language server: {EDITORS}{path}")


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends it in silence
    run_main(main)
