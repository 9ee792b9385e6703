"""Released checkpoints: which networks they hold, the same outputs after the import, and every misfit refused."""

from __future__ import annotations

import json
import pathlib
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.errors import UserError
from engine.build.checkpoint import find_checkpoint
from engine.runtime.checkpoint import save_atomic
from models.reference_keys import load_reference
from models.seg import CrackFormer, SegNet
from models.sr import DBPN
from tests.helpers.errors import assert_holds, error_of, exit_line
from tests.helpers.network_checks import checkpoint
from tools.import_csbsr.__main__ import main
from tools.import_csbsr.released import build_empty, converted, imported, read_released
from tools.import_csbsr.variants import Variant, recognise
from tools.parity.weights import synthesise

SR_PARTS = {
    "kbpn_x4_stage4": ("csbsr", {"type": "kbpn", "stages": 4}),
    "kbpn_x4_stage2": ("csbsr", {"type": "kbpn", "stages": 2}),
    "dbpn_x4_stage4": ("cssr", {"type": "dbpn", "stages": 4}),
    "srcnet_sr_x4": ("srcnet", {"type": "srcnet"}),
    None: ("bicubic", {"type": "bicubic"}),
}
SEG_PARTS = {
    "pspnet_resnet34": ("pspnet", "pspnet"),
    "pspnet_blurskip": ("blurskip", "pspnet_blurskip"),
    "unet_vgg16": ("unet", "unet"),
    "crackformer": ("crackformer", "crackformer"),
    "hrnet_w48_ocr": ("hrnet_ocr", "hrnet_ocr"),
    "segnet": ("segnet", "segnet"),
}
# The released pairs, and those of the other networks in the paper's comparison.
PAIRS = [
    *(("kbpn_x4_stage4", seg) for seg in SEG_PARTS),
    ("dbpn_x4_stage4", "pspnet_resnet34"),
    ("srcnet_sr_x4", "segnet"),
    ("kbpn_x4_stage2", "crackformer"),
    (None, "pspnet_resnet34"),
]


def listed(shared: Path, *parts: str | None) -> dict[str, Tensor]:
    """A checkpoint of these parts by the lists of released names, without memory."""
    state: dict[str, Tensor] = {}
    for part in filter(None, parts):
        keys = json.loads((shared / "parity" / "keys" / f"{part}.json").read_text())
        for key, (shape, dtype) in keys.items():
            state[key] = torch.empty(shape, dtype=getattr(torch, dtype.removeprefix("torch.")), device="meta")
    return state


@pytest.fixture(scope="module")
def pair() -> dict[str, Tensor]:
    """DBPN with CrackFormer under the authors' names, without memory."""
    with torch.device("meta"):
        return checkpoint(DBPN(), "dbpn") | checkpoint(CrackFormer(), "crackformer")


def small_file(state: dict[str, Tensor], path: Path) -> Path:
    """The state as a file of zeros that takes no more room than its names."""
    zeros = {name: torch.zeros((), dtype=tensor.dtype).expand(tensor.shape) for name, tensor in state.items()}
    torch.save(zeros, path)
    return path


def refusal(state: dict[str, Tensor]) -> str:
    """What is said about a checkpoint that does not fit: one line."""
    return error_of(lambda: converted(recognise(state), state))


# -- recognition --------------------------------------------------------------------------------


@pytest.mark.parametrize("seg", SEG_PARTS)
@pytest.mark.parametrize("sr", SR_PARTS)
def test_networks_are_recognised_by_their_names(sr: str | None, seg: str, shared: Path) -> None:
    variant = recognise(listed(shared, sr, seg))
    (sr_label, expected), (seg_label, seg_type) = SR_PARTS[sr], SEG_PARTS[seg]
    assert variant.name == f"{sr_label}_{seg_label}" + ("_stages2" if sr == "kbpn_x4_stage2" else "")
    network_sr = variant.networks["network_sr"]
    assert expected.items() <= network_sr.items()
    assert ("stages" in network_sr) == ("stages" in expected)
    assert variant.networks["network_seg"]["type"] == seg_type


@pytest.mark.parametrize(("sr", "seg"), PAIRS)
def test_every_tensor_of_our_networks_is_found_in_the_released_lists(sr: str | None, seg: str, shared: Path) -> None:
    state = listed(shared, sr, seg)
    variant = recognise(state)
    weights = converted(variant, state)
    halves = {name.split(".")[0] for name in weights}
    assert halves == ({"sr", "seg"} if sr else {"seg"})
    options = variant.options()
    assert options.compat == "reference" and options.joint.normalise == "instance" and options.joint.clip
    assert (
        options.scale == 4 and options.degradation.kernel_side == 21 and options.datasets.train.augmentation.crop == 224
    )
    learned = {stage.name for stage in options.train.stages}
    assert ("kernel" in learned) == (options.network_sr.type == "kbpn") and ("joint" in learned) == bool(sr)


def test_dsrl_is_one_network(shared: Path) -> None:
    state = listed(shared, "dsrl_deeplab")
    variant = recognise(state)
    options = variant.options()
    assert variant.name == "dsrl" and options.network.arguments()["up_steps"] == 3
    assert options.network_sr is None and [stage.name for stage in options.train.stages] == ["joint"]
    weights = converted(variant, state)
    assert {name.split(".")[0] for name in weights} == {"encoder", "sr", "seg"}
    assert weights.keys() == build_empty(variant).state_dict().keys()


def test_dsrl_beside_another_network_is_refused(shared: Path) -> None:
    assert "unexpected (parallel_model." in refusal(listed(shared, "dsrl_deeplab") | listed(shared, None, "segnet"))


def test_blur_skip_needs_a_kernel(shared: Path) -> None:
    assert "joint: seg needs the blur kernel" in refusal(listed(shared, "dbpn_x4_stage4", "pspnet_blurskip"))


# -- the same outputs ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "cls", "unused"),
    [
        ("segnet", SegNet, "segmentation_model.BNDe11.weight"),
        ("crackformer", CrackFormer, "segmentation_model.down3.nn3.conv.conv1.weight"),
    ],
)
@torch.no_grad()
def test_an_imported_file_computes_what_the_networks_do(family, cls, unused, tmp_path, capsys) -> None:
    sr, seg = DBPN().eval(), cls().eval()
    shapes = {name: t.shape for name, t in (checkpoint(sr, "dbpn") | checkpoint(seg, family)).items()}
    state = {name: t.float() if t.is_floating_point() else t for name, t in synthesise(shapes).items()}
    released = {f"module.{name}": tensor for name, tensor in {**state, unused: torch.ones(2)}.items()}
    torch.save(released, tmp_path / "released.pth")
    main([str(tmp_path / "released.pth"), "-o", str(tmp_path / "mine")])
    printed = capsys.readouterr().out
    assert f"dbpn (4 stages) and {family}" in printed and f"predict.py PHOTO --weights {tmp_path}" in printed

    loaded = find_checkpoint(weights=str(tmp_path / "mine" / "models" / "latest.pth"))
    assert loaded.options == find_checkpoint(str(tmp_path / "mine" / "options.yml"), str(loaded.path)).options
    assert loaded.meta["imported_from"] == "released.pth" and len(loaded.meta["sha256"]) == 64
    model = loaded.model().double()  # crackformer amplifies the rounding of float32
    load_reference("dbpn", sr, state)
    load_reference(family, seg, state)
    sr, seg = sr.double(), seg.double()
    lr = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    output, restored = model(lr), sr(lr).sr.clamp(0, 1)
    assert restored.std() > 0.01
    torch.testing.assert_close(output.sr, restored)
    expected = seg(F.instance_norm(restored)).logits
    assert expected.std() > 0.01
    torch.testing.assert_close(output.logits, expected, rtol=0, atol=1e-8 * float(expected.abs().max()))


def test_numbers_are_stored_once_and_in_our_precision(pair, tmp_path) -> None:
    doubled = {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in pair.items()}
    variant, content = imported(small_file(doubled, tmp_path / "double.pth"))
    assert variant.name == "cssr_crackformer"
    for tensor in content["model"].values():
        assert tensor.dtype in (torch.float32, torch.int64) and tensor.is_contiguous()
        assert tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()


# -- refusals -----------------------------------------------------------------------------------


def test_missing_and_unexpected_tensors_are_counted_and_three_named(pair) -> None:
    state = dict(pair)
    for number in range(1, 5):
        del state[f"sr_model.up{number}.up_conv1.deconv.bias"]
    state["sr_model.extra"] = torch.zeros(1)
    message = refusal(state)
    gone = ", ".join(f"sr_model.up{number}.up_conv1.deconv.bias" for number in (1, 2, 3))
    assert f"4 missing ({gone}, ...), 1 unexpected (sr_model.extra)" in message


def test_faults_of_the_segmentation_network_are_found_too(pair) -> None:
    state = {name: tensor for name, tensor in pair.items() if name != "segmentation_model.final.bias"}
    assert "crackformer do not fit: 1 missing (segmentation_model.final.bias), 0 unexpected" in refusal(state)


def test_another_shape_is_named(pair) -> None:
    name = "sr_model.up1.up_conv1.deconv.weight"
    message = refusal({**pair, name: torch.zeros(64, 65, 8, 8)})
    assert f"'{name}' has shape [64, 65, 8, 8], the network expects [64, 64, 8, 8]" in message


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"optimizer": 1, "epoch": 2}, "2 unexpected (epoch, optimizer); expected sr_model"),
        ({"parallel_model.up_conv_last.bias": 1}, "1 unexpected (parallel_model.up_conv_last.bias)"),
    ],
)
def test_tensors_of_neither_network_are_refused(pair, extra, message) -> None:
    assert message in refusal({**pair, **extra})


def test_a_network_not_known_is_refused(pair) -> None:
    names = [name for name in pair if name.startswith("segmentation_model.")]
    with pytest.raises(UserError, match=r"1 unexpected \(sr_model.body.0.weight\).*known: kbpn, dbpn, srcnet"):
        recognise([*names, "sr_model.body.0.weight"])
    with pytest.raises(UserError, match="no segmentation network"):
        recognise([name for name in pair if name.startswith("sr_model.")])


class Reduces:
    """An object whose unpickling would call a function of the file's choice."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return pathlib.Path.touch, (self.marker,)


def test_a_pickled_object_is_refused_and_not_run(pair, tmp_path) -> None:
    marker = tmp_path / "was_run"
    torch.save({"sr_model.x": torch.zeros(1), "config": Reduces(marker)}, tmp_path / "bad.pth")
    with pytest.raises(UserError, match="holds more than tensors .*refused by weights_only.*run code"):
        read_released(tmp_path / "bad.pth")
    torch.save(nn.Linear(2, 2), tmp_path / "module.pth")
    with pytest.raises(UserError, match=r"more than tensors \(torch.nn.modules.linear.Linear\)"):
        read_released(tmp_path / "module.pth")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.zeros(1)], "no dictionary of tensors"),
        ({}, "no dictionary of tensors"),
        ({"sr_model.x": torch.zeros(1), "epoch": 3}, "'epoch' is no tensor, found int"),
        ({"state_dict": {"sr_model.x": torch.zeros(1)}}, "'state_dict' is no tensor, found dict"),
        ({"module.sr_model.x": torch.zeros(1), "sr_model.x": torch.zeros(1)}, "both with and without 'module.'"),
        ({"sr_model.x": torch.tensor([1.0, float("nan")])}, "'sr_model.x' holds numbers that are not finite"),
    ],
)
def test_what_is_no_released_checkpoint_is_refused(content, message, tmp_path) -> None:
    torch.save(content, tmp_path / "other.pth")
    assert_holds(error_of(read_released, tmp_path / "other.pth"), ["other.pth", message])


@pytest.mark.parametrize("content", [b"", b"these are my weights\n", b"PK\x03\x04" + bytes(300), b"\x80\x02}q\x00."])
def test_other_files_are_refused(content, tmp_path) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(UserError, match="other is no re|other is no released"):
        read_released(tmp_path / "other")
    with pytest.raises(UserError, match="no.pth is no file"):
        read_released(tmp_path / "no.pth")


def test_weights_of_this_project_need_no_import(tmp_path) -> None:
    save_atomic({"model": {}, "options": {}, "meta": {}, "step": 1}, tmp_path / "ours.pth")
    with pytest.raises(UserError, match="checkpoint of this project already; use it as it is"):
        read_released(tmp_path / "ours.pth")


def test_nothing_is_overwritten(pair, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    small_file(pair, tmp_path / "released.pth")
    main(["released.pth"])
    weights = tmp_path / "experiments" / "released_cssr_crackformer" / "models" / "latest.pth"
    before = weights.read_bytes()
    error = exit_line(lambda: main(["released.pth"]), capsys)
    assert error.startswith("error: experiments/released_cssr_crackformer is there already")
    assert "-o DIR" in error and weights.read_bytes() == before


def test_a_misfit_writes_nothing(pair, tmp_path) -> None:
    state = {**pair, "segmentation_model.extra": torch.zeros(1)}
    with pytest.raises(UserError, match=r"bad.pth: .*0 missing, 1 unexpected \(segmentation_model.extra\)"):
        main([str(small_file(state, tmp_path / "bad.pth")), "-o", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_stages_come_from_the_names(pair) -> None:
    names = [name for name in pair if not name.startswith(("sr_model.up4.", "sr_model.down3."))]
    sr, seg = {"type": "dbpn", "width": 64, "stages": 3}, {"type": "crackformer", "width": 64}
    assert recognise(names) == Variant("cssr_crackformer_stages3", {"network_sr": sr, "network_seg": seg})


def test_help_teaches(capsys) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    printed = capsys.readouterr().out
    assert "predict.py photo.jpg --weights" in printed and "sr_model.*" in printed
