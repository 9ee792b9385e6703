"""Released checkpoints: which networks they hold, and the same outputs after the import."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.build.checkpoint import find_checkpoint
from models.reference_keys import load_reference
from models.seg import CrackFormer, SegNet
from models.sr import DBPN
from tests.helpers.network_checks import checkpoint
from tests.helpers.released import refusal, small_file
from tools.import_csbsr.__main__ import main
from tools.import_csbsr.released import build_empty, converted, imported
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
    assert "network_seg: pspnet_blurskip needs the blur kernel" in refusal(
        listed(shared, "dbpn_x4_stage4", "pspnet_blurskip")
    )


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


def test_stages_come_from_the_names(pair) -> None:
    names = [name for name in pair if not name.startswith(("sr_model.up4.", "sr_model.down3."))]
    sr, seg = {"type": "dbpn", "width": 64, "stages": 3}, {"type": "crackformer", "width": 64}
    assert recognise(names) == Variant("cssr_crackformer_stages3", {"network_sr": sr, "network_seg": seg})


def test_help_teaches(capsys) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    printed = capsys.readouterr().out
    assert "predict.py photo.jpg --weights" in printed and "sr_model.*" in printed
