"""The model card: README.md of a folder of weights, made of what is known and what people add."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.markdown import table as markdown_table
from engine.runtime.weights_folder import PHOTOGRAPHS
from tools.ship.card_data import CardData
from tools.ship.measured import false_alarms, tables
from tools.ship.photographs import PhotographSplit, split_of
from tools.ship.terms import PHRASES, RESEARCH, strictest, terms_of

NETWORKS = ("network", "network_sr", "network_seg")  # sections of the options
PICTURES = "pictures"  # folder beside the card
ROOT = Path(__file__).resolve().parent.parent.parent
TEMPLATE = """\
---
license: other
license_name: {licence}
pipeline_tag: image-segmentation
tags: [crack-segmentation, super-resolution]
---
# {name}

Crack segmentation with blind super-resolution: from a photograph of pavement, concrete or a wall, the probability of a
crack for each pixel, and the photograph restored at {scale} times its size. {networks}; {size}.{summary}

```
python predict.py photo.jpg --weights {name}
```

or `csbsr.load("{name}")("photo.jpg")` from Python.

## Intended use

{use}

## Limits

{limits}

## Data and licences

**Use of these weights: {terms}.** Weights carry the strictest terms of the photographs they were trained on;
photographs without stated terms count as non-commercial.

{data}

## Recipe

{recipe}

## Results

Means over photographs with 95% intervals.

{results}

### False alarms

{alarms}

## Failure cases

{failures}
"""
USE = ("Finding cracks in photographs of pavement, concrete and masonry, for a person to look at.",)
LIMITS = (
    "Not for decisions on safety without inspection: cracks are missed; joints, stains and edges are taken for them.",
    "A probability is no measurement: widths and areas depend on the threshold and on how sharp the photograph is.",
)


def make_card(
    name: str,
    content: Mapping[str, Any],
    size: str,
    results: Mapping[str, Any] | None = None,
    data: CardData | None = None,
) -> str:
    """The card of a checkpoint.

    Args:
        name: of the weights.
        content: of the checkpoint (options, meta, step).
        size: of its tensors, in words.
        results: content of results.json with intervals.
        data: what people add.
    """
    data, options, datasets = data or CardData(), content["options"], content["options"]["datasets"]
    splits = {"training": split_of(datasets["train"]), "validation": split_of(datasets.get("val"))}
    types = [f"`{key}: {options[key]['type']}`" for key in NETWORKS if options.get(key)]
    terms = strictest(folder for split in splits.values() for folder in split.folders)
    return TEMPLATE.format(
        name=name,
        scale=options["scale"],
        networks="Networks: " + ", ".join(types),
        size=size,
        licence="research-non-commercial" if terms.startswith(PHRASES[RESEARCH]) else "see-below",
        summary=f" {data.summary}" if data.summary else "",
        use=_listed((*USE, *data.intended_use)),
        limits=_listed((*LIMITS, *data.limits)),
        terms=terms,
        data=_data(splits),
        recipe=_recipe(content, splits),
        results=tables(results),
        alarms=false_alarms(results),
        failures=_failures(data),
    )


def _data(splits: Mapping[str, PhotographSplit]) -> str:
    rows: list[tuple[object, ...]] = []
    for use, split in splits.items():
        for folder, count in sorted(split.folders.items()):
            terms, number = terms_of(folder), "-" if count is None else count
            rows.append((folder, use, number, terms.licence, terms.source))
    table = markdown_table(("photographs", "for", "number", "licence", "source"), rows)
    missing = sorted(file for use in splits.values() for file, digest in use.lists.items() if digest is None)
    more = [f"\nNot counted, as they were not at hand: {', '.join(missing)}."] if missing else []
    return "\n".join([table, *more])


def _recipe(content: Mapping[str, Any], splits: Mapping[str, PhotographSplit]) -> str:
    options, meta = content["options"], content["meta"]
    file = next(iter(sorted((ROOT / "options").rglob(f"{options['name']}.yml"))), None)
    seen = meta.get("photographs", {})
    lines = [
        f"Options: `{file.relative_to(ROOT)}`" if file else f"Options: those of the experiment `{options['name']}`",
        f"Steps: {content['step']}, of {options['train']['total_iter']}",
        f"Precision of the training: {meta.get('precision', 'not known')}",
        f"Commit of the code that trained: {meta.get('git') or 'not known'}",
        f"Fingerprint of the training photographs: `{meta.get('data', 'not known')}`",
        (
            f"Photographs seen: {len(seen.get('train', ()))} trained on, {len(seen.get('val', ()))} chosen by; their "
            f"digests are in `{PHOTOGRAPHS}`, and `evaluate.py` refuses to score the former"
        ),
    ]
    for key in NETWORKS:
        network = options.get(key) or {}
        start = network.get("weights") or network.get("pretrained", "none")
        if start != "none":
            lines.append(f"`{key}` started from: {start}")
    lines += [
        f"Split list for {use}: `{file_name}`, SHA-256 {digest or 'not known'}"
        for use, split in splits.items()
        for file_name, digest in split.lists.items()
    ]
    return _listed((*lines, "The resolved options are in `config.json`."))


def _failures(data: CardData) -> str:
    if not data.failures:
        return "None collected yet."
    return "\n\n".join(
        failure.text + (f"\n\n![{failure.picture.stem}]({PICTURES}/{failure.picture.name})" if failure.picture else "")
        for failure in data.failures
    )


def _listed(lines: tuple[str, ...]) -> str:
    return "\n".join(f"- {line}" for line in lines)
