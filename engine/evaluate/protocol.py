"""How an evaluation measures, as plain data: two results are comparable where these are equal."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from data.protocol import Source
from data.sources import fingerprint
from degradations.frozen import FrozenSet
from engine.build.data import build_degradation
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
        degradation = {**build_degradation(options, "degraded").describe(), "seed": test.seed}
    else:
        degradation = {
            key: frozen.meta[key] for key in ("steps", "kernel_side", "border", "seed") if key in frozen.meta
        }
    return {
        "photographs": fingerprint(source),
        "images": len(source),
        "scale": options.scale,
        "degradation": {**degradation, "draws": options.evaluation.draws},
        "rules": asdict(scoring_rules(options)),
        "minimum_area": options.postprocess.minimum_area,
    }
