"""What an evaluation measures on, and how, as plain data: results are comparable where the protocol is equal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from contracts.errors import UserError
from data.protocol import Source
from data.sources import fingerprint
from degradations.frozen import FrozenSet
from engine.build.checkpoint import Checkpoint
from engine.build.data import build_degradation
from engine.build.seen import without_photographs
from engine.evaluate.build import scoring_rules
from engine.options import Options


def protocol(options: Options, source: Source, frozen: FrozenSet | None) -> dict[str, Any]:
    """The photographs, their degradation and the rules of the scores.

    Args:
        options: of the evaluation.
        source: the photographs of datasets.test.
        frozen: the rendered set that is read instead of drawing, if any.

    Returns:
        photographs (a fingerprint), images, scale, degradation (steps, seed, draws), rules, minimum_area.
    """
    test = options.datasets.test
    assert test is not None
    if frozen is None:
        settings: Mapping[str, Any] = {**build_degradation(options, "degraded").describe(), "seed": test.seed}
    else:
        settings = frozen.meta
    degradation = {key: settings.get(key) for key in ("steps", "kernel_side", "border", "seed")}
    return {
        "photographs": fingerprint(source),
        "images": len(source),
        "scale": options.scale,
        "degradation": {**degradation, "draws": options.evaluation.draws},
        "rules": {**asdict(scoring_rules(options)), "surface_step": options.evaluation.surface_step},
        "minimum_area": options.postprocess.minimum_area,
    }


def facts_of_test(checkpoint: Checkpoint, source: Source, frozen: FrozenSet | None) -> dict[str, Any]:
    """What results.json says of the weights and of the test, beside the figures.

    Args:
        checkpoint: the weights, with the options of the evaluation.
        source: the photographs of datasets.test.
        frozen: the rendered set that is read instead of drawing, if any.
    """
    options = checkpoint.options
    test = options.datasets.test
    assert test is not None
    return {
        **without_photographs(checkpoint.meta),
        "weights": str(checkpoint.path),
        "step": checkpoint.step,
        "name": options.name,
        "seed": options.seed,
        "test_data": fingerprint(source),
        "test_images": len(source),
        "test_options": test.model_dump(mode="json"),
        "frozen": test.frozen,
        "threshold": options.evaluation.threshold,
        "degradation_seed": test.seed if frozen is None else frozen.meta["seed"],
        "compat": options.compat,
        "corrections": asdict(options.in_force),
        "protocol": protocol(options, source, frozen),
    }


def frozen_set(options: Options, source: Source) -> FrozenSet:
    """The set that ``datasets.test.frozen`` names, checked to be made from this source for these options.

    Only its degradation may be another one: to try that is what such a set is for. Raises UserError that
    names the first difference.
    """
    test = options.datasets.test
    assert test is not None and test.frozen is not None
    if options.evaluation.draws > 1:
        raise UserError(
            f"evaluation.draws {options.evaluation.draws}: datasets.test.frozen holds one degradation a photograph; "
            "give 1, or no frozen set"
        )
    frozen = FrozenSet(Path(test.frozen))
    difference = next(_differences(frozen, options, source), None)
    if difference is not None:
        raise UserError(f"datasets.test.frozen: {frozen.root} has {difference}; give the set made of this data")
    return frozen


def _differences(frozen: FrozenSet, options: Options, source: Source) -> Iterator[str]:
    for key, wanted in (("scale", options.scale), ("kernel_side", options.degradation.kernel_side)):
        if frozen.meta.get(key, wanted) != wanted:
            yield f"{key} {frozen.meta[key]}, not {wanted} as the options"
    names = {source.name(index) for index in range(len(source))}
    for name in sorted(names - set(frozen.names)):
        yield f"no image '{name}', which is in datasets.test"
    for name in sorted(set(frozen.names) - names):
        yield f"an image '{name}', which is not in datasets.test"
    if frozen.meta.get("data") not in (None, fingerprint(source)):
        yield "images of the same names, but made of other photographs"
