"""A connection of one's own: a class is all it takes to be trained, evaluated, cut into tiles and exported."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.errors import UserError
from contracts.records import JointOutput, Restored, Segmented
from engine.build.checkpoint import find_checkpoint
from engine.build.models import build_model
from engine.evaluate.run import evaluate
from engine.predict.photo import search
from engine.predict.tiled_model import TiledModel
from models.base import ParallelModel
from models.joint import JointModel
from models.layers import conv_bn_relu
from models.sr import Bicubic
from models.whole import WHOLE_NETWORKS
from tests.helpers.runs import tiny, train_here

CPU = torch.device("cpu")


class TwoHeads(ParallelModel):
    """One trunk at low resolution, an image and a mask by pixel shuffle."""

    stride = 1

    def __init__(self, scale: int = 4, width: int = 8) -> None:
        super().__init__()
        self.scale = scale
        self.trunk = conv_bn_relu(3, width)
        self.sr = nn.Conv2d(width, 3 * scale**2, 1)
        self.seg = nn.Conv2d(width, scale**2, 1)

    def shared_parameters(self) -> Iterable[nn.Parameter]:
        return self.trunk.parameters()

    def forward(self, lr: Tensor, kernel: Tensor | None = None) -> JointOutput:
        trunk = self.trunk(lr)
        coarse = F.interpolate(lr, scale_factor=self.scale, mode="bilinear")
        sr = coarse + F.pixel_shuffle(self.sr(trunk), self.scale)
        return JointOutput(sr, None, F.pixel_shuffle(self.seg(trunk), self.scale))

    def restore(self, lr: Tensor, kernel: Tensor | None = None) -> Restored:
        return Restored(self(lr).sr)

    def segment(
        self, image: Tensor, kernel: Tensor | None = None, features: tuple[Tensor, ...] | None = None
    ) -> Segmented:
        return Segmented(F.avg_pool2d(self(image).logits, self.scale))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The latest weights of a short training of it, from options as of any network."""
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(WHOLE_NETWORKS, "own", TwoHeads)
        changes = ("network_sr=null", "network_seg=null", "network={type: own, width: 4}", "network:weights=null")
        train_here(tiny(folder, *changes))
    return folder / "experiments" / "tiny" / "models" / "latest.pth"


@pytest.fixture(autouse=True)
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WHOLE_NETWORKS, "own", TwoHeads)


def test_training_changes_all_of_it(trained: Path) -> None:
    checkpoint = find_checkpoint(weights=str(trained))
    torch.manual_seed(checkpoint.options.seed)
    start = build_model(checkpoint.options)
    assert checkpoint.step == 6 and set(checkpoint.weights) == set(start.state_dict())
    unchanged = [name for name, value in start.named_parameters() if torch.equal(value, checkpoint.weights[name])]
    assert unchanged == []
    with pytest.raises(UserError, match="network.type: unknown|unknown network.type"):
        del WHOLE_NETWORKS["own"]
        checkpoint.model()


def test_evaluation_scores_it(trained: Path, tmp_path: Path) -> None:
    results = evaluate(find_checkpoint(weights=str(trained)), ["hr", "degraded"], tmp_path / "results")
    assert 0 <= results["degraded"]["iou_max"] <= 1 and results["degraded"]["psnr"] > 5
    assert (tmp_path / "results" / "results.json").is_file()


@torch.inference_mode()
def test_tiles_are_the_whole(trained: Path) -> None:
    model, photo = find_checkpoint(weights=str(trained)).model(), torch.rand(1, 3, 40, 52)
    tiled = TiledModel(model, CPU, tile=24, overlap=8)
    maps, kernel = tiled.restore(photo)
    whole = model(photo)
    assert kernel is None
    torch.testing.assert_close(maps.image, whole.sr, rtol=0, atol=1e-5)
    torch.testing.assert_close(tiled.segment(maps), whole.logits.sigmoid(), rtol=0, atol=1e-5)
    pixels = (photo[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    assert search(tiled, pixels, restore=True).restored.shape == (160, 208, 3)
    assert search(tiled, pixels, restore=False).probability.shape == (40, 52)


@torch.inference_mode()
def test_a_file_of_it_answers_alike(trained: Path) -> None:
    pytest.importorskip("onnx", reason="the optional extra onnx is not installed")
    pytest.importorskip("onnxruntime", reason="the optional extra onnxruntime is not installed")
    from engine.export.onnx_model import model_of
    from engine.export.run import to_onnx

    model, photo = find_checkpoint(weights=str(trained)).model(), torch.rand(1, 3, 40, 52)
    ours, theirs = (TiledModel(one, CPU, tile=24, overlap=8) for one in (model, model_of(to_onnx(model))))
    torch.testing.assert_close(theirs.restore(photo)[0].image, ours.restore(photo)[0].image, rtol=0, atol=1e-4)
    torch.testing.assert_close(theirs.segment(photo), ours.segment(photo), rtol=0, atol=1e-4)
    one, other = (tiled.segment(tiled.restore(photo)[0]) for tiled in (ours, theirs))
    torch.testing.assert_close(other, one, rtol=0, atol=1e-4)


def test_networks_of_no_base_are_refused_by_name() -> None:
    with pytest.raises(TypeError, match="Conv2d: derive the network from models.base.Segmentation"):
        JointModel(Bicubic(4), nn.Conv2d(3, 1, 1))
