"""Exported models: onnxruntime gives what torch gives, for every network and size, and the same predictions."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from contracts.errors import UserError
from contracts.records import Segmented
from engine.predict.resume import stamp_of
from engine.predict.tiled_model import TiledModel
from engine.runtime.precision import cpu_multiplies
from models.base import Segmentation, WholeModel
from models.dsrl import DSRL
from models.joint import JointModel
from models.seg import SEG_NETWORKS
from models.seg.fpn import FPN
from models.seg.pspnet import cell_weights
from models.sr import SR_NETWORKS
from models.sr.bicubic import Bicubic
from tests.helpers.folders import contents
from tests.helpers.runs import Outcome, assert_error, run_here
from tests.helpers.small_networks import SMALL_SEG, SMALL_SR

onnx = pytest.importorskip("onnx", reason="the optional extra onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the optional extra onnxruntime is not installed")
from engine.export.onnx_model import model_of  # noqa: E402
from engine.export.run import to_onnx  # noqa: E402
from engine.export.runtimes import ONNXRUNTIME, OPENVINO  # noqa: E402

SIZES = ((17, 20), (21, 70))  # px; neither is that traced
TOLERANCE = 1e-4
UNPOOLED = ("segnet", "crackformer")  # put values back where rounding says that the maxima were


def ready(model: WholeModel) -> WholeModel:
    """The model in evaluation mode, its handover no longer zero."""
    torch.manual_seed(1)
    for layer in model.handover.modules() if getattr(model, "handover", None) is not None else ():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=0.1)
    return model.eval()


def small(sr: str = "kbpn", seg: str = "", **connection: object) -> JointModel:
    """A small joint model of two listed networks; to segment, the quickest one unless named."""
    torch.manual_seed(0)
    network = SEG_NETWORKS[seg](**SMALL_SEG[seg]) if seg else FPN("plain", width=4)
    return ready(JointModel(SR_NETWORKS[sr](scale=4, **SMALL_SR[sr]), network, scale=4, **connection))


def tile(height: int, width: int) -> Tensor:
    """A tile [1,3,height,width]: smooth, with a dark line."""
    generator = torch.Generator().manual_seed(height)
    image = F.interpolate(torch.rand(1, 3, 5, 5, generator=generator), (height, width), mode="bilinear")
    image[..., height // 2, :] *= 0.3
    return image


def assert_equal(theirs: Tensor | None, ours: Tensor | None, unpooled: bool = False) -> None:
    """Equal to 1e-4 (and that of large values), or both None.

    After unpooling on average only: there torch in float32 is 1e-3 from torch in float64, and up to 0.9.
    """
    assert (theirs is None) == (ours is None)
    if ours is not None:
        assert theirs.shape == ours.shape
        difference = (theirs - ours).abs() / ours.abs().clamp_min(1)
        assert difference.mean() < 3e-3 if unpooled else difference.max() < TOLERANCE


CASES = {
    **{f"sr {name}": {"sr": name} for name in SR_NETWORKS},
    **{f"seg {name}": {"sr": "bicubic", "seg": name} for name in SEG_NETWORKS if name != "pspnet_blurskip"},
    "blur skip": {"seg": "pspnet_blurskip"},
    **{f"normalise {name}": {"normalise": name, "window": 100} for name in ("local", "fixed", "none")},
    "handover": {"handover": True},
    "bare": {"sr": "bicubic", "normalise": "none"},
}


def check(model: WholeModel, unpooled: bool = False, runtime: str = ONNXRUNTIME) -> None:
    """A tile in one go, and in parts as ``TiledModel`` runs them, against torch."""
    exported = model_of(to_onnx(model), runtime)
    theirs, ours = (TiledModel(one, torch.device("cpu"), 128, 16) for one in (exported, model))
    for size in SIZES:
        lr = tile(*size)
        whole, expected = exported(lr), model(lr)
        for name in ("sr", "kernel", "logits"):
            assert_equal(getattr(whole, name), getattr(expected, name), unpooled)
        assert_equal(theirs.segment(lr), ours.segment(lr), unpooled)
        (maps, kernel), (expected_maps, expected_kernel) = theirs.restore(lr), ours.restore(lr)
        assert maps.tensors().keys() == expected_maps.tensors().keys()
        for name, value in maps.tensors().items():
            assert_equal(value, expected_maps.tensors()[name], unpooled)
        assert_equal(kernel, expected_kernel)
        assert_equal(theirs.segment(maps, kernel), ours.segment(expected_maps, expected_kernel), unpooled)


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.slow if "crackformer" in case else ()) for case in CASES]
)
@torch.inference_mode()
def test_whole_and_parts_equal_torch(case: str) -> None:
    check(small(**CASES[case]), unpooled=CASES[case].get("seg") in UNPOOLED)


@torch.inference_mode()
@pytest.mark.parametrize("case", ["sr kbpn", "sr srvgg", "seg fpn", "seg unet", "blur skip", "handover", "bare"])
@torch.inference_mode()
def test_openvino_equals_torch(case: str) -> None:
    pytest.importorskip("openvino", reason="the optional extra openvino is not installed")
    check(small(**CASES[case]), runtime=OPENVINO)


@torch.inference_mode()
def test_openvino_rounds_where_torch_would() -> None:
    """In float32, and after bfloat16 again in float32: each precision has a graph of its own."""
    pytest.importorskip("openvino", reason="the optional extra openvino is not installed")
    model = small("srvgg", "fpn")
    exported, lr = model_of(to_onnx(model), OPENVINO), tile(17, 20)
    expected = model(lr).sr
    assert_equal(exported(lr).sr, expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = exported(lr).sr
    assert (rounded - expected).abs().max() < 0.05
    assert not cpu_multiplies() or (rounded - expected).abs().max() > 1e-5
    assert_equal(exported(lr).sr, expected)


def test_one_network_for_both_tasks() -> None:
    torch.manual_seed(0)
    check(DSRL(encoder="resnet18", width=0.1).eval())


def test_a_model_that_never_pads_when_restoring_still_does_when_segmenting() -> None:
    """Sides of the restored example are multiples of what the segmentation needs; those of a photograph are not."""
    torch.manual_seed(0)
    check(JointModel(Bicubic(8), SEG_NETWORKS["pspnet"](**SMALL_SEG["pspnet"]), scale=8).eval())


def test_an_operation_that_onnx_lacks_is_named() -> None:
    class Odd(Segmentation):
        multiple = 8

        def forward(self, x: Tensor, kernel: Tensor | None = None) -> Segmented:
            return Segmented(torch.special.bessel_j0(x[:, :1]))

    with pytest.raises(UserError, match="cannot be exported to ONNX: .*bessel_j0"):
        to_onnx(JointModel(Bicubic(4), Odd(), scale=4).eval())


@pytest.mark.parametrize("length,bins", [(6, 6), (7, 3), (13, 6), (4, 6), (9, 1), (5, 2)])
def test_cells_are_those_of_adaptive_pooling(length: int, bins: int) -> None:
    x = torch.rand(1, 1, length)
    torch.testing.assert_close(x @ cell_weights(torch.tensor(length), bins).T, F.adaptive_avg_pool1d(x, bins))


# -- the command ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest experiment's model, exported by the command."""
    path = tmp_path_factory.mktemp("onnx") / "new" / "model.onnx"
    outcome = predict("--export", "onnx", "-o", path, "--weights", tiny_weights, cwd=path.parent.parent)
    assert outcome.code == 0, outcome.err
    assert f"{path} (" in outcome.out and "-> restored, kernel, logits, probability" in outcome.out
    assert list(path.parent.iterdir()) == [path]
    return path


def predict(*arguments: object, cwd: Path) -> Outcome:
    return run_here("predict.py", *arguments, cwd=cwd)


def photographs(folder: Path) -> Path:
    """Two photographs, one of several tiles of 32 pixels."""
    folder.mkdir()
    for name, size in (("small.png", (21, 30)), ("large.png", (50, 67))):
        pixels = tile(*size)[0].permute(1, 2, 0).mul(255).byte().numpy()
        Image.fromarray(pixels).save(folder / name)
    return folder


@pytest.mark.parametrize("restore", ["always", "never"])
@pytest.mark.parametrize("runtime", ["auto", "onnxruntime", "openvino", "openvino, of the file"])
def test_predictions_are_those_of_torch(
    runtime: str, restore: str, exported: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    if runtime.startswith("openvino"):
        pytest.importorskip("openvino", reason="the optional extra openvino is not installed")
    folder, of_file = photographs(tmp_path / "in"), runtime in ("auto", "openvino, of the file")
    chosen = runtime.partition(",")[0]
    theirs = (exported if of_file else tiny_weights, "--runtime", chosen)
    for name, weights in (("onnx", theirs), ("torch", (tiny_weights,))):
        more = ("--restore", restore, "--tile", "32", "--overlap", "8", "--precision", "float32", "--weights", *weights)
        outcome = predict(folder, "-o", tmp_path / name, *more, cwd=tmp_path)
        assert outcome.code == 0, outcome.err
        assert (f", in {'onnxruntime' if chosen == 'auto' else chosen}" in outcome.out) == (name == "onnx")
        assert stamp_of(tmp_path / name / "small_mask.png")["--precision"] == "float32"
    files = sorted(path.name for path in (tmp_path / "torch").iterdir())
    assert sorted(path.name for path in (tmp_path / "onnx").iterdir()) == files
    assert len(files) == (10 if restore == "always" else 6)
    for name in files:
        theirs, ours = (np.array(Image.open(tmp_path / kind / name)).astype(int) for kind in ("onnx", "torch"))
        if "probability" in name or "restored" in name:
            assert np.abs(theirs - ours).max() <= 1, name
        else:  # a value at the threshold may fall to either side
            assert (theirs != ours).mean() < 0.002, name


def test_results_of_two_runtimes_are_not_mixed(exported: Path, tiny_weights: Path, tmp_path: Path) -> None:
    """The usual one of the weights is not told, by the name of the option or without."""
    folder, out = photographs(tmp_path / "in"), tmp_path / "out"
    plain = (folder, "-o", out, "--weights", tiny_weights)
    assert predict(*plain, cwd=tmp_path).code == 0
    assert "all 2 photographs were done before" in predict(*plain, "--runtime", "torch", "--resume", cwd=tmp_path).out
    refused = predict(*plain, "--runtime", "onnxruntime", "--precision", "float32", "--resume", cwd=tmp_path)
    assert_error(refused, "was made with --runtime auto, not onnxruntime")
    other = ("--runtime", "onnxruntime", "--resume", "--overwrite")
    assert predict(*plain, *other, cwd=tmp_path).code == 0
    assert_error(predict(*plain, "--resume", cwd=tmp_path), "was made with --runtime onnxruntime, not auto")


def test_the_file_tells_what_it_is(exported: Path, tiny_weights: Path) -> None:
    """For other programs: one input, four outputs, and the options in the metadata; no torch needed."""
    session = onnxruntime.InferenceSession(exported)
    assert [(one.name, one.shape) for one in session.get_inputs()] == [("lr", [1, 3, "h", "w"])]
    assert [one.name for one in session.get_outputs()] == ["restored", "kernel", "logits", "probability"]
    metadata = session.get_modelmeta().custom_metadata_map
    assert (
        metadata["scale"] == "4"
        and metadata["stride"] == "32"
        and metadata["normalise"] == "instance"
        and metadata["step"] == "1"
    )
    assert json.loads(metadata["options"])["name"] == "tiny" and metadata["weights"] == tiny_weights.name
    probability = session.run(["probability"], {"lr": tile(19, 26).numpy()})[0]
    assert probability.shape == (1, 1, 76, 104) and probability.min() >= 0 and probability.max() <= 1


def test_an_export_is_not_replaced_unasked(exported: Path, tiny_weights: Path, tmp_path: Path) -> None:
    command = ("--export", "onnx", "-o", tmp_path / "m.onnx", "--weights", tiny_weights)
    (tmp_path / "m.onnx").write_text("mine")
    before = contents(tmp_path)
    assert_error(predict(*command, cwd=tmp_path), "m.onnx exists; give --overwrite")
    assert contents(tmp_path) == before
    assert predict(*command, "--overwrite", cwd=tmp_path).code == 0
    assert len((tmp_path / "m.onnx").read_bytes()) == len(exported.read_bytes())


def test_mistakes_get_one_line(exported: Path, tiny_weights: Path, tmp_path: Path) -> None:
    photo, other = next(photographs(tmp_path / "in").iterdir()), tmp_path / "other.onnx"
    (tmp_path / "text.onnx").write_text("no model")
    graph = onnx.helper.make_graph([], "empty", [], [])
    onnx.save(onnx.helper.make_model(graph), other)
    export = ("--export", "onnx", "--weights", tiny_weights, "-o")
    mistakes = {
        "no photograph given": (),
        "leave one of them out": (photo, *export, tmp_path / "a.onnx"),
        "ends in .onnx": (*export, tmp_path / "a.pth"),
        "a file is in the way": (*export, tmp_path / "text.onnx/a.onnx"),
        "holds its own options": (photo, "--weights", exported, "-opt", "tiny.yml"),
        "--runtime torch": (photo, "--weights", exported, "--runtime", "torch"),
        "onnxruntime knows float32 alone": (photo, "--weights", exported, "--precision", "bfloat16"),
        "leave it out with --export": (*export, tmp_path / "a.onnx", "--runtime", "openvino"),
        "absent.onnx do not exist": (photo, "--weights", tmp_path / "absent.onnx"),
        "text.onnx is no readable ONNX file": (photo, "--weights", tmp_path / "text.onnx"),
        "other.onnx is no model of this project": (photo, "--weights", other),
    }
    before = contents(tmp_path)
    for message, arguments in mistakes.items():
        assert_error(predict(*arguments, cwd=tmp_path), message)
    assert contents(tmp_path) == before


def test_without_the_packages_one_line_says_what_to_install(
    exported: Path, tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("onnx", "onnxruntime"):
        with monkeypatch.context() as context:
            context.setitem(sys.modules, name, None)  # an import of it then fails
            for arguments in (("--export", "onnx", "--weights", tiny_weights), ("in.png", "--weights", exported)):
                Image.new("RGB", (20, 20)).save(tmp_path / "in.png")
                assert_error(predict(*arguments, cwd=tmp_path), name, "pip install onnx onnxruntime")
    with monkeypatch.context() as context:
        context.setitem(sys.modules, "openvino", None)
        arguments = ("in.png", "--weights", tiny_weights, "--runtime", "openvino")
        assert_error(predict(*arguments, cwd=tmp_path), "openvino", "pip install onnx openvino")
