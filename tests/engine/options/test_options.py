"""Options: every shipped file loads; a mistake is one line that names the place and the repair."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import UserError
from engine.build.data import build_degradation
from engine.build.losses import build_loss, build_segmentation_loss
from engine.options import Corrections
from engine.options.arguments import checked_arguments
from engine.options.load import load_options, parse_options
from engine.train.build import build_schedule
from losses.combo import SEGMENTATION_LOSSES
from losses.topology import TOPOLOGY_LOSSES
from models.seg import SEG_NETWORKS
from models.sr import SR_NETWORKS
from models.whole import WHOLE_NETWORKS
from tests.helpers.errors import assert_holds, error_of
from tests.helpers.runs import MINIMAL, ROOT, TINY, changed, option_error

DUAL = ("network_sr=null", "network_seg=null", "network={type: dsrl}")
SHIPPED = sorted(path for path in (ROOT / "options").rglob("*.yml") if not path.stem.endswith("base"))


# -- shipped files --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*SHIPPED, TINY], ids=lambda path: str(path.relative_to(ROOT)))
def test_shipped_file_loads(path: Path) -> None:
    options = load_options(path)
    plan = build_schedule(options, images=100)
    assert sum(plan.lengths) == options.train.total_iter
    for network, table, fixed in (
        (options.network_sr, SR_NETWORKS, ("scale", "kernel_side")),
        (options.network_seg, SEG_NETWORKS, ()),
        (options.network, WHOLE_NETWORKS, ("scale", "clip")),
    ):
        if network is None:
            continue
        checked_arguments(table[network.type], network.arguments(), "network", fixed=fixed)
    build_loss(options)
    for condition in ("train", "clean", "degraded"):
        build_degradation(options, condition)


def test_there_are_shipped_files() -> None:
    assert ROOT / "options" / "joint.yml" in SHIPPED


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_saved_options_load_again(path: Path) -> None:
    options = load_options(path)
    assert parse_options(options.model_dump(mode="json"), "saved") == options


# -- unknown keys, wrong types, contradictions ----------------------------------------------------


@pytest.mark.parametrize(
    ("change", "path", "near"),
    [
        ("sede=3", "sede", "seed"),
        ("train:total_iters=3", "train.total_iters", "total_iter"),
        ("train:optimizer:learning=3", "train.optimizer.learning", ""),
        ("datasets:train:crops=64", "datasets.train.crops", "augmentation.crop"),
        ("datasets:val:batch_size=4", "datasets.val.batch_size", ""),
        ("loss:alpha:flor=0.1", "loss.alpha.flor", "floor"),
        ("train:stages:0:iteration=4", "train.stages.0.iteration", "iterations"),
        ("corrections:binary_mask=true", "corrections.binary_mask", "binary_masks"),
    ],
)
def test_unknown_key_names_its_path_and_the_nearest_key(change: str, path: str, near: str) -> None:
    message = option_error("datasets:val:count=2", change)
    assert message.startswith(f"minimal.yml: {path}: unknown option")
    assert not near or f"did you mean '{near}'?" in message
    assert "valid here: " in message


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ("train:total_iter=many", "train.total_iter"),
        ("train:total_iter='10'", "train.total_iter"),
        ("train:total_iter=1.5", "train.total_iter"),
        ("seed=true", "seed"),
        ("loss:beta=high", "loss.beta"),
        ("loss:beta=1.5", "loss.beta"),
        ("joint:clip='no'", "joint.clip"),
        ("train:stages=joint", "train.stages"),
        ("train:stages=[joint]", "train.stages.0"),
        ("train:stages=[]", "train.stages"),
        ("train:stages:0:name=jiont", "train.stages.0.name"),
        ("train:optimizer:betas=[0.9]", "train.optimizer.betas"),
        ("val:conditions=[blurred]", "val.conditions.0"),
        ("datasets:train=7", "datasets.train"),
        ("datasets:train:lists=5", "datasets.train.lists"),
        ("scale=3", "scale"),
        ("name=a/b", "name"),
        ("network_sr:type=null", "network_sr.type"),
        ("degradation:kernel_side=20", "degradation"),
    ],
)
def test_wrong_value_names_its_path(change: str, path: str) -> None:
    assert option_error(change).startswith(f"minimal.yml: {path}")


def test_missing_key_is_named() -> None:
    tree = {key: value for key, value in MINIMAL.items() if key != "network_seg"}
    with pytest.raises(UserError, match="minimal.yml: network_seg: missing"):
        parse_options(tree, "minimal.yml")


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        (["datasets:train:augmentation:crop=66"], ["datasets.train.augmentation.crop 66", "multiple of scale 4", "64"]),
        (["datasets:train:augmentation:crop=16", "degradation:kernel_side=41"], ["kernel_side 41", "crop 16"]),
        (["loss:teacher_weight=0.5"], ["loss.teacher_weight", "train.teacher"]),
        (["train:stages:0:fraction=0.5", "train:stages:0:iterations=5"], ["train.stages.0", "fraction"]),
        (["datasets:train:type=folder"], ["datasets.train", "root"]),
        (["datasets:train:count=null"], ["datasets.train", "count"]),
        (["datasets:train:root=somewhere"], ["datasets.train", "type: folder"]),
        (["degradation={preset: field, steps: [{type: downscale}]}"], ["degradation", "preset: null"]),
        (["degradation:preset=null"], ["degradation", "preset or steps"]),
        (["network={type: dsrl}"], ["network_sr and network_seg to null"]),
        (
            [*DUAL, "train:stages=[{name: joint, iterations: 5}, {name: seg}]"],
            ["train.stages.1", "stages sr and joint", "seg"],
        ),
        ([*DUAL, "train:stages=[{name: joint}]", "joint:handover=true"], ["joint.handover", "network_sr"]),
        (["val:best=hr/dice"], ["val", "hr/dice", "degraded"]),
        (["val:conditions=[]"], ["val.conditions"]),
        (["evaluation:conditions=[]"], ["evaluation.conditions"]),
    ],
)
def test_contradictions_are_refused(changes: list[str], parts: list[str]) -> None:
    assert_holds(option_error(*changes), parts)


def test_a_stage_on_hr_images_can_be_the_teacher() -> None:
    stages = "[{name: seg_hr, iterations: 5}, {name: joint}]"
    options = changed("loss:teacher_weight=0.5", f"train:stages={stages}")
    assert options.loss.teacher_weight == 0.5


# -- arguments of networks and losses -------------------------------------------------------------


class Parent:
    def __init__(self, scale: int, width: int = 8, names: list[str] | None = None, rate: float = 0.5) -> None:
        pass


class Bare:
    pass


def test_arguments_follow_the_signature() -> None:
    arguments = {"width": 4, "names": ["a"], "rate": 1}
    assert checked_arguments(Parent, arguments, "here", fixed=("scale",)) == arguments
    assert checked_arguments(Bare, {}, "here") == {}


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ({"widht": 4}, ["network_sr.widht: unknown option", "did you mean 'width'?"]),
        ({"scale": 2}, ["network_sr.scale: unknown option"]),
        ({"width": "wide"}, ["network_sr.width: input should be a valid integer", "'wide'"]),
        ({"names": 3}, ["network_sr.names"]),
    ],
)
def test_wrong_argument_names_its_path(arguments: dict, parts: list[str]) -> None:
    assert_holds(error_of(checked_arguments, Parent, arguments, "network_sr", fixed=("scale",)), parts)


@pytest.mark.parametrize("name", sorted(SEGMENTATION_LOSSES))
def test_every_segmentation_loss_can_be_chosen(name: str) -> None:
    loss, expected = build_segmentation_loss(changed(f"loss:segmentation={name}")), SEGMENTATION_LOSSES[name]()
    assert type(loss) is type(expected) and vars(loss) == vars(expected)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        (["loss:segmentation:type=dise"], ["loss.segmentation.type 'dise'", "did you mean 'dice'?"]),
        (["loss:segmentation:positiv=2"], ["loss.segmentation.positiv", "'positive'"]),
        (["loss:segmentation:positive=-1"], ["loss"]),
        (["loss={segmentation: {type: dice, bce_weight: 1}}"], ["segmentation.bce_weight"]),
        (["loss:sr_weights=[0, 0, 0]"], ["weights"]),
        (["loss:affinity:pol=2"], ["loss.affinity.pol", "'pool'"]),
        (["loss:affinity:pool=0"], ["loss.affinity", "at least 1"]),
        (["loss:topology:type=cldice"], ["loss.topology.type 'cldice'", "did you mean 'soft_cldice'?"]),
        (["loss:topology={type: soft_cldice, tube: 1}"], ["loss.topology.tube"]),
        (["loss:topology={type: skeleton_recall, tube: -1}"], ["loss.topology: tube -1 must be at least 0"]),
    ],
)
def test_wrong_loss_is_named(changes: list[str], parts: list[str]) -> None:
    assert_holds(error_of(build_loss, changed(*changes)), parts)


@pytest.mark.parametrize("name", sorted(TOPOLOGY_LOSSES))
def test_every_topology_loss_can_be_chosen(name: str) -> None:
    loss = build_loss(changed(f"loss:topology={{type: {name}, weight: 0.5}}"))
    assert type(loss.topology) is TOPOLOGY_LOSSES[name] and loss.topology_weight == 0.5
    assert vars(loss.topology) == vars(TOPOLOGY_LOSSES[name]())
    off = build_loss(changed())
    assert off.topology is None and off.topology_weight == 0


def test_topology_is_refused_with_image_labels() -> None:
    labels = ("datasets:train:labels={source: masks}", "loss:segmentation:type=image_label")
    assert "loss.topology needs masks" in option_error(*labels, "loss:topology={type: soft_cldice, weight: 0.5}")


# -- corrections ----------------------------------------------------------------------------------

AFFINITY = "loss:affinity:weight=0.5"
CORRECTIONS = sorted(Corrections.model_fields)


@pytest.mark.parametrize("name", CORRECTIONS)
def test_compat_turns_each_correction(name: str) -> None:
    assert getattr(changed().in_force, name)
    assert not getattr(changed("compat=reference").in_force, name)


@pytest.mark.parametrize("name", CORRECTIONS)
def test_single_correction_overrides_compat(name: str) -> None:
    options = changed("compat=reference", f"corrections:{name}=true")
    assert [other for other in CORRECTIONS if getattr(options.in_force, other)] == [name]
    options = changed(f"corrections:{name}=false")
    assert [other for other in CORRECTIONS if not getattr(options.in_force, other)] == [name]


def test_reference_changes_what_is_built() -> None:
    ours, theirs = (build_loss(options).sr_loss for options in (changed(), changed("compat=reference")))
    assert (ours.weights, ours.border, ours.kernel_term) == ((0.4, 0.4, 0.2), "reflect", "sum")
    assert (theirs.weights, theirs.border, theirs.kernel_term) == ((0.4, 0.4, 0.0), "zero", "mean")
    assert build_degradation(changed("compat=reference"), "train").border == "zero"
    affinity = [build_loss(changed(*changes)).affinity for changes in ([AFFINITY], [AFFINITY, "compat=reference"])]
    assert [loss.reduction for loss in affinity] == ["mean", "sum"]
