"""Files for the QGIS plugin Deepness, read by the plugin's rules, give what the project's own prediction gives.

The rules are those of the plugin's code (github.com/PUTvision/qgis-plugin-deepness, 0.6.5, commit f450c63), written
anew: processing/models/model_base.py and segmentor.py, map_processor/map_processor_segmentation.py and
deepness_dockwidget.py.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from data.synthetic import SyntheticSource
from engine.predict.photo import search
from engine.predict.tiled_model import TiledModel
from models.base import WholeModel
from models.dsrl import DSRL
from models.joint import JointModel
from models.seg.fpn import FPN
from models.sr import SR_NETWORKS
from tests.helpers.runs import assert_error, run_here
from tests.helpers.small_networks import SMALL_SR

onnx = pytest.importorskip("onnx", reason="the optional extra onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the optional extra onnxruntime is not installed")
from engine.export.deepness import SegmentedTile, no_data, plugin_facts, to_deepness  # noqa: E402

TILE, SCALE = 32, 4
TOLERANCE = 1e-4


class Reader:
    """A file as the plugin takes it: what its fields show after 'Load default parameters', and what it finds."""

    def __init__(self, content: Path | bytes) -> None:
        self.session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        (only,) = self.session.get_inputs()
        self.name, (batch, channels, height, width) = only.name, only.shape
        assert isinstance(batch, int | str) and channels == 3
        assert isinstance(width, int) and height == width, "the field of the tile size takes a number"
        self.side = width
        facts = self.session.get_modelmeta().custom_metadata_map
        self.facts = {name: json.loads(text) for name, text in facts.items() if name in plugin_facts(1, 1, 0.5, 1)}
        assert self.facts["model_type"].capitalize() == "Segmentor"
        self.names = [name for _, name in sorted(self.facts["class_names"].items(), key=lambda pair: int(pair[0]))]
        assert [int(key) for key in sorted(self.facts["class_names"])] == list(range(len(self.names)))
        for output in self.session.get_outputs():
            assert output.shape[-2:] == [self.side, self.side], "other sides are shifted or refused"
            self.one_channel = len(output.shape) == 3 or output.shape[-3] == 1
            if self.one_channel and len(self.names) == 1:
                self.names = ["background", *self.names]
        # spin boxes hold whole numbers, or two decimals
        self.resolution, self.threshold = (round(float(self.facts[key]), 2) for key in ("resolution", "seg_thresh"))
        self.overlap, self.median = (int(self.facts[key]) for key in ("tiles_overlap", "seg_small_segment"))
        self.mean, self.std = (np.array(self.facts[f"standardization_{key}"], np.float32) for key in ("mean", "std"))

    def probability(self, pixels: np.ndarray) -> np.ndarray:
        """What the network says [side,side] of a tile uint8 [side,side,3 or 4]."""
        batch = (np.float32(pixels[None, ..., :3] * (1.0 / 255)) - self.mean) / self.std
        return self.session.run(None, {self.name: batch.transpose(0, 3, 1, 2)})[0][0, 0]

    def classes(self, pixels: np.ndarray) -> np.ndarray:
        """The number of the class of each pixel."""
        assert self.one_channel
        result = self.probability(pixels)
        result[result < self.threshold] = 0
        found = np.uint8(result != 0)
        return cv2.medianBlur(found, self.median // 2 * 2 + 1)


def joint() -> JointModel:
    torch.manual_seed(0)
    model = JointModel(
        SR_NETWORKS["kbpn"](scale=SCALE, **SMALL_SR["kbpn"]), FPN("plain", width=4), SCALE, handover=True
    )
    for layer in model.handover.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=0.1)
    return model.eval()


def one_network() -> DSRL:
    torch.manual_seed(0)
    return DSRL(encoder="resnet18", width=0.1).eval()


def photo(side: int) -> np.ndarray:
    """A drawn photograph with a crack, uint8 [side,side,3]."""
    source = SyntheticSource(12, size=side, seed=5)
    return next(image for image, mask in (source.load(index) for index in range(12)) if mask.any())


def read(model: WholeModel, restore: bool, side: int, threshold: float = 0.5) -> Reader:
    graph = to_deepness(SegmentedTile(model, restore).eval(), side, plugin_facts(side, 13, threshold, 0.25))
    return Reader(graph.SerializeToString())


@pytest.mark.parametrize("make", [joint, one_network])
@pytest.mark.parametrize("restore", [False, True])
def test_the_plugin_finds_what_prediction_finds(make, restore: bool) -> None:
    """At the threshold that halves the tile, so that both classes are there."""
    model, side = make(), TILE if restore else TILE * SCALE
    pixels = photo(side)
    expected = search(TiledModel(model, torch.device("cpu"), TILE, 8), pixels, restore)
    reader = read(model, restore, side, threshold=0.37)
    assert reader.names == ["background", "crack"] and reader.side == side and reader.threshold == 0.37
    np.testing.assert_allclose(reader.probability(pixels), expected.probability, atol=TOLERANCE)
    reader.threshold = threshold = float(np.median(expected.probability))
    clear = np.abs(expected.probability - threshold) > TOLERANCE / 100
    found, crack = reader.classes(pixels), expected.probability >= threshold
    assert (found == crack)[clear].all() and 0 < crack.mean() < 1


def test_black_where_a_map_ends_is_no_photograph() -> None:
    """The rest is answered as if it were filled with the colours of the photograph, and nothing is found there."""
    side = TILE * SCALE
    pixels = photo(side)
    pixels[:, 80:] = 0
    pixels[10:12, :60] = 0  # a crack in shadow
    probability = read(joint(), False, side).probability(pixels)
    filled = pixels.copy()
    filled[:, 80:] = np.round(pixels[:, :80].reshape(-1, 3).mean(0))
    expected = search(TiledModel(joint(), torch.device("cpu"), TILE, 8), filled, False).probability
    assert (probability[:, 80:] == 0).all()
    np.testing.assert_allclose(probability[:, :80], expected[:, :80], atol=2e-2)
    assert (probability[:, :80] > 0).all()


def test_what_counts_as_no_data() -> None:
    lr = torch.full((1, 3, 60, 60), 0.2)
    lr[..., :16, :] = 0  # at the border, where there may be more of it beyond
    lr[..., 30:46, 20:36] = 0  # 16 px: dark, but photographed
    assert no_data(lr)[0, 0].nonzero()[:, 0].max() == 15
    assert no_data(lr).sum() == 16 * 60


# -- the command ----------------------------------------------------------------------------------


def test_the_command(tiny_weights: Path, tmp_path: Path) -> None:
    path, common = tmp_path / "new" / "qgis.onnx", ("--weights", tiny_weights, "--tile", 32, "--overlap", 8)
    command = ("predict.py", "--export", "deepness", "-o", path, *common)
    outcome = run_here(*command, "--resolution", 0.25, "--threshold", 0.3, cwd=tmp_path)
    assert outcome.code == 0, outcome.err
    assert f"{path} (" in outcome.out and "tiles of 128x128 px, 0.25 cm/px" in outcome.out
    reader = Reader(path)
    assert (reader.side, reader.overlap, reader.resolution, reader.threshold, reader.median) == (128, 25, 0.25, 0.3, 0)
    assert reader.facts["tile_size"] == 128
    assert_error(run_here(*command, cwd=tmp_path), "exists; give --overwrite")
    restored = run_here(*command, "--restore", "always", "--overwrite", cwd=tmp_path)
    assert restored.code == 0, restored.err
    assert Reader(path).side == 32 and Reader(path).resolution == 0.1


def test_mistakes_get_one_line(tiny_weights: Path, tmp_path: Path) -> None:
    export = ("predict.py", "--export", "deepness", "--weights", tiny_weights, "-o", tmp_path / "a.onnx")
    mistakes = {
        "--resolution 0.001: Deepness knows two decimals": ("--resolution", 0.001),
        "--resolution 0: ": ("--resolution", 0),
        "--resolution nan: ": ("--resolution", "nan"),
        "--threshold 0.005: ": ("--threshold", 0.005),
        "--threshold 0.123: ": ("--threshold", 0.123),
        "give a tile of 16 or more": ("--tile", 8),
        "in float32": ("--precision", "bfloat16"),
    }
    for message, arguments in mistakes.items():
        assert_error(run_here(*export, *arguments, cwd=tmp_path), message)
    assert_error(
        run_here("predict.py", "photo.png", "--resolution", 1, cwd=tmp_path), "only files of --export deepness"
    )
    assert list(tmp_path.iterdir()) == []
