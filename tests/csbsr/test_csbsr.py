"""The front door: ``csbsr.load`` finds what predict.py finds, and says what it cannot take."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import csbsr
import degradations.presets
import losses.combo
import metrics.names
import models.seg
import models.sr
import models.whole
from tests.helpers.photographs import photograph
from tests.helpers.runs import run_well

PIXELS = photograph(40, 52)


@pytest.fixture(scope="module")
def find_cracks(tiny_folder: Path) -> csbsr.Predictor:
    return csbsr.load(tiny_folder)


def picture(path: Path) -> np.ndarray:
    return np.array(Image.open(path))


@pytest.mark.parametrize("restore", ["auto", "always", "never"])
def test_it_finds_what_predict_finds(restore: str, tiny_weights: Path, tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    command = ["a.png", "--weights", tiny_weights, "--restore", restore, "--threshold", "0.45"]
    outcome = run_well("predict.py", *command, cwd=tmp_path)
    found = csbsr.load(tiny_weights)(tmp_path / "a.png", threshold=0.45, restore=restore)
    out = tmp_path / "results"
    assert found.mask.dtype == bool and np.array_equal(found.mask, picture(out / "a_mask.png") > 0)
    assert found.probability.dtype == np.float32 and found.probability.shape == (40, 52)
    assert np.array_equal(np.round(found.probability * 255), picture(out / "a_probability.png"))
    assert 0 < found.mask.mean() < 1 and f"{100 * found.crack_fraction():.2f}% crack" in outcome.out
    if restore == "never":
        assert found.restored is None and found.kernel is None and (found.scale, found.how) == (1, "not restored")
        return
    assert (found.scale, found.how, found.precision) == (4, "restored x4", "float32")
    assert np.array_equal(found.restored, picture(out / "a_restored.png"))
    assert found.kernel.shape == (21, 21) and found.kernel.sum() == pytest.approx(1, abs=1e-4)
    assert np.array_equal(found.fine_mask, picture(out / "a_mask_x4.png") > 0)


def test_an_image_in_any_form(find_cracks: csbsr.Predictor, tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    turned = Image.fromarray(np.rot90(PIXELS))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    turned.save(tmp_path / "turned.tif", exif=exif)
    expected = find_cracks(PIXELS).probability
    for image in (
        tmp_path / "a.png", str(tmp_path / "a.png"), Image.fromarray(PIXELS), Image.open(tmp_path / "a.png"),
        Image.open(tmp_path / "turned.tif"), PIXELS / 255, (PIXELS / 255).astype(np.float32), PIXELS.copy(order="F"),
        PIXELS[::-1, ::-1].copy()[::-1, ::-1],
    ):  # fmt: skip
        assert np.array_equal(find_cracks(image).probability, expected)


def test_a_grey_image_is_one_of_three_equal_channels(find_cracks: csbsr.Predictor) -> None:
    grey = PIXELS[:, :, 1]
    expected = find_cracks(np.stack([grey] * 3, 2)).probability
    for image in (grey, Image.fromarray(grey)):
        assert np.array_equal(find_cracks(image).probability, expected)


def test_nothing_is_found_where_an_image_is_transparent(find_cracks: csbsr.Predictor) -> None:
    opacity = np.full((40, 52, 1), 255, np.uint8)
    opacity[:, 30:] = 0
    found = find_cracks(Image.fromarray(np.concatenate([PIXELS, opacity], 2)), threshold=0.01)
    assert found.transparent[:, 30:].all() and not found.mask[:, 30:].any() and found.mask[:, :30].all()
    assert found.crack_fraction() == pytest.approx(1)


def test_large_photographs_are_not_restored_by_themselves(find_cracks: csbsr.Predictor) -> None:
    found = find_cracks(np.zeros((1000, 1501, 3), np.uint8) + np.uint8(90), threshold=0.01)
    assert found.restored is None and "above 1.5 megapixels" in found.how and found.probability.shape == (1000, 1501)


def test_small_regions_are_dropped(find_cracks: csbsr.Predictor) -> None:
    threshold = float(np.quantile(find_cracks(PIXELS, restore="never").probability, 0.8))
    options = {"restore": "never", "threshold": threshold}
    counts = [find_cracks(PIXELS, minimum_area=area, **options).mask.sum() for area in (None, 30, 5000)]
    assert counts[0] > counts[1] > counts[2] == 0


def test_the_record_cannot_be_changed(find_cracks: csbsr.Predictor) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        find_cracks(PIXELS).scale = 2


def test_the_shipped_weights_are_loaded_by_default(
    shipped_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, find_cracks: csbsr.Predictor
) -> None:
    monkeypatch.chdir(tmp_path)
    expected = find_cracks(PIXELS).probability
    for predictor in (csbsr.load(), csbsr.load("compact", device="cpu"), csbsr.load(device=torch.device("cpu"))):
        assert "compact (shipped, made 20" in repr(predictor)
        assert np.array_equal(predictor(PIXELS).probability, expected)


def test_weights_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.runtime.shipped.WEIGHTS", tmp_path / "weights")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(csbsr.UserError, match="weights compact do not exist; train first, or give another file"):
        csbsr.load()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((3, 40, 40), np.uint8), r"uint8 \[3, 40, 40\] is no photograph; give RGB \[H,W,3\]"),
        (np.zeros((40, 40, 4), np.uint8), "is no photograph"),
        (np.zeros((40, 0, 3), np.uint8), "is no photograph"),
        (np.zeros((40, 40, 3), bool), "is no photograph"),
        (np.array(["a"]), "is no photograph"),
        (np.full((40, 40, 3), np.nan), "values from nan"),
        (np.full((40, 40, 3), -0.5), "values from -0.5"),
        (np.zeros((4, 40, 3), np.uint8), "40x4 pixels are too few"),
        ("absent.png", "no such file: 'absent.png'"),
    ],
)
def test_what_is_no_photograph(image: object, message: str, find_cracks: csbsr.Predictor) -> None:
    with pytest.raises(csbsr.UserError, match=message):
        find_cracks(image)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"restore": "allways"}, "restore 'allways'"), ({"threshold": 50}, "threshold 50"), ({"minimum_area": -1}, "-1")],
)
def test_options_that_mean_nothing(options: dict, message: str, find_cracks: csbsr.Predictor) -> None:
    with pytest.raises(csbsr.UserError, match=message):
        find_cracks(PIXELS, **options)


def test_the_tables_are_those_of_the_project() -> None:
    assert csbsr.models.SR_NETWORKS is models.sr.SR_NETWORKS and csbsr.models.SEG_NETWORKS is models.seg.SEG_NETWORKS
    assert csbsr.models.WHOLE_NETWORKS is models.whole.WHOLE_NETWORKS
    assert csbsr.losses.SEGMENTATION_LOSSES is losses.combo.SEGMENTATION_LOSSES
    assert csbsr.metrics.METRICS is metrics.names.METRICS and csbsr.degradations.PRESETS is degradations.presets.PRESETS
    for part in (csbsr, csbsr.models, csbsr.losses, csbsr.metrics, csbsr.degradations):
        assert all(hasattr(part, name) for name in part.__all__)


class Own(csbsr.models.Segmentation):
    """A network that nobody of the project has heard of."""

    multiple = 2

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 1, 5, padding=2)

    def forward(self, x: torch.Tensor, kernel: torch.Tensor | None = None) -> csbsr.models.Segmented:
        return csbsr.models.Segmented(self.layer(x))


def test_a_network_of_ones_own_trains_without_an_options_file() -> None:
    """Two steps in a notebook's way: degrade, restore, segment, the paper's loss, a step of the optimiser."""
    torch.manual_seed(0)
    degrade = csbsr.degradations.build_pipeline("kondo_ukita", scale=2, kernel_side=5)
    sr = csbsr.models.SR_NETWORKS["kbpn"](2, stages=1, width=4, kernel_side=5, estimated_side=3, corrector_width=4)
    model = csbsr.models.JointModel(sr, Own(), scale=2)
    joint_loss = csbsr.losses.JointLoss(csbsr.losses.SEGMENTATION_LOSSES["combo"](), csbsr.losses.KBPNLoss())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    hr = torch.rand(2, 3, 24, 24)
    hr[:, :, 10:12] *= 0.2
    mask, before = (hr.mean(1, keepdim=True) < 0.2).float(), [p.detach().clone() for p in model.parameters()]
    totals = []
    for step in range(2):
        degraded = degrade(hr, ("a", "b"), 0, (step, step))
        batch = csbsr.losses.DegradedBatch(degraded.lr, hr, mask, degraded.kernel, ("a", "b"))
        report = joint_loss(model(batch.lr), batch, beta=0.7)
        optimizer.zero_grad()
        report.total.backward()
        optimizer.step()
        totals.append(report.total.item())
    assert totals[1] != totals[0] and {"sr", "seg"} <= report.terms.keys()
    assert all((p != old).any() for p, old in zip(model.parameters(), before, strict=True))
    probability = model.eval()(batch.lr).logits.sigmoid()[0, 0].detach().numpy()
    assert 0 <= csbsr.metrics.evaluate_image(probability, mask[0, 0].numpy()).values["iou"] <= 1


# -- arguments that mean nothing ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"precision": "float16"}, "precision 'float16': give auto, float32 or bfloat16"),
        ({"device": "gpu"}, "device 'gpu' is not usable here"),
        ({"tile": 4}, "tile 4 overlap 32: give a tile of 16 or more"),
    ],
)
def test_arguments_of_load_are_named(tiny_weights: Path, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        csbsr.load(tiny_weights, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"threshold": 1.5}, "threshold 1.5: give a value"), ({"minimum_area": -1}, "minimum_area -1: give a number")],
)
def test_arguments_of_a_call_are_named(find_cracks: csbsr.Predictor, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        find_cracks(PIXELS, **arguments)


def test_a_call_writes_nothing_and_takes_arrays_that_cannot_be_written_to(
    find_cracks: csbsr.Predictor, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    pixels = np.full((400, 600, 3), 90, np.uint8)
    pixels.setflags(write=False)
    find_cracks(pixels, restore="never")
    assert capfd.readouterr() == ("", "") and len(recwarn) == 0
