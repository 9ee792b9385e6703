"""Every benchmark of ``python -m benchmarks`` by name: a function of whether the sizes are to be small."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks import degradation, depthwise, distance_maps, kbpn, loading, onnx_tile, surface_sweep
from benchmarks.case import Case

BENCHMARKS: dict[str, Callable[[bool], Case]] = {
    "kbpn": kbpn.paper,
    "kbpn_compact": kbpn.compact,
    "kbpn_gradient_checkpointing": kbpn.gradient_checkpointing,
    "degradation": degradation.batch,
    "boundary_loss": distance_maps.step,
    "distance_map": distance_maps.maps,
    "depthwise": depthwise.step,
    "surface_sweep": surface_sweep.sweep,
    "loading": loading.keep_up,
    "onnx": onnx_tile.tile,
    "openvino": onnx_tile.shipped,
}
