"""An option either does something or is refused in one line; every option is read somewhere."""

from __future__ import annotations

import ast
import typing
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from contracts.errors import UserError
from engine.options import Options
from engine.options.effects import RESTORE, SEGMENT, without_effect
from engine.options.load import change_options, load_options
from engine.options.section import Section
from engine.train.stages import STAGE_SPECS
from engine.train.step import trains_restoration
from tests.helpers.runs import MINIMAL, ROOT, TINY, changed, option_error, tiny

FOLDER = "datasets:train={type: folder, root: photos, augmentation: {crop: 64}}"
VAL = "datasets:val={count: 2}"
TEST = "datasets:test={type: folder, root: photos}"
JOINT, SR, SR4IR = (f"train:stages=[{{name: {name}}}]" for name in ("joint", "sr", "sr4ir"))
DSRL = ("network_sr=null", "network_seg=null", "network={type: dsrl}", JOINT)


def reasons(*changes: str) -> str:
    """What is said of these changes, by the schema or by a look at effects."""
    try:
        return "; ".join(without_effect(changed(*changes)))
    except UserError as error:
        return str(error).removeprefix("minimal.yml: ")


@pytest.mark.parametrize(
    ("changes", "path", "reason"),
    [
        (["datasets:train:frozen=x"], "datasets.train.frozen", "only datasets.test"),
        ([VAL, "datasets:val:frozen=x"], "datasets.val.frozen", "only datasets.test"),
        (["datasets:train:part=train"], "datasets.train.part", "synthetic"),
        (["datasets:test={count: 2, part: test}"], "datasets.test.part", "synthetic"),
        ([FOLDER, "datasets:train:size=64"], "datasets.train.size", "folder"),
        ([TEST, "datasets:test:crack_free=0.5"], "datasets.test.crack_free", "folder"),
        ([FOLDER, "datasets:train:seed=4"], "datasets.train.seed", "seed at the top"),
        ([VAL, "datasets:train:holdout=0.5"], "datasets.train.holdout", "datasets.val"),
        (
            ["datasets:train:labels={source: masks, uncracked: [a]}", "loss:segmentation:type=image_label"],
            "datasets.train.labels.uncracked",
            "masks",
        ),
        (["val:val_freq=5"], "val.val_freq", "holdout"),
        ([VAL, "val={conditions: [hr], best: hr/psnr}"], "val.best", "hr/aiu"),
        ([VAL, "val={conditions: [hr], best: hr/kernel_ssim}"], "val.best", "hr/loss"),
        ([VAL, SR], "val.best", "degraded/psnr"),
        ([JOINT, "loss:affinity:weight=0.5"], "loss.affinity", "dsrl"),
        ([*DSRL, "loss:affinity:pool=2"], "loss.affinity.pool", "weight"),
        (["loss:topology:weight=0.5"], "loss.topology.weight", "type none"),
        (["loss:topology:tube=1"], "loss.topology.tube", "type none"),
        (["loss:topology:type=soft_cldice"], "loss.topology soft_cldice", "weight is 0"),
        ([SR, "loss:topology={type: soft_cldice, weight: 0.5}"], "loss.topology", "no stage"),
        (["loss:blur_weight=0.1"], "loss.blur_weight", "film_fpn"),
        ([*DSRL, "loss:blur_weight=0.1"], "loss.blur_weight", "film_fpn"),
        ([SR, "network_seg:type=film_fpn", "loss:blur_weight=0.1"], "loss.blur_weight", "no stage"),
        (
            ["train:stages=[{name: sr4ir}]", "network_seg:type=film_fpn", "loss:blur_weight=0.1"],
            "loss.blur_weight",
            "mixes",
        ),
        ([SR, "joint:stop_gradient=true"], "joint.stop_gradient", "no stage is joint"),
        ([*DSRL, "joint:stop_gradient=true"], "joint.stop_gradient", "no restored image in between"),
        (["loss:fail_oriented=1.0"], "loss.fail_oriented", "no stage"),
        ([SR, "loss:fail_oriented=1.0"], "loss.fail_oriented", "no stage"),
        (["loss:crack_oriented=1.0"], "loss.crack_oriented", "no stage"),
        ([JOINT, "loss:oriented_from=4"], "loss.oriented_from", "crack_oriented"),
        ([JOINT, "loss={fail_oriented: 1.0, oriented_from: 10}"], "loss.oriented_from", "ends before"),
        (["train:teacher=x", "loss:teacher_weight=0.5", SR], "loss.teacher_weight", "no stage"),
        (["train:teacher=x"], "train.teacher", "teacher_weight"),
        (["train:teacher=x", "loss:distillation:weight=0.5", SR], "loss.distillation", "no stage"),
        (["loss:distillation:schedule=linear"], "loss.distillation.schedule", "weight is 0"),
        (["loss:distillation:final=0.5"], "loss.distillation.final", "weight is 0"),
        (
            ["train:teacher=x", "loss:distillation={weight: 1.0, schedule: constant, final: 0.5}"],
            "loss.distillation.final",
            "constant",
        ),
        ([JOINT, "loss:task_driven:weight=0.5"], "loss.task_driven.weight", "sr4ir"),
        ([SR4IR, "loss:task_driven={weight: 0.0, warmup: 0.5}"], "loss.task_driven.warmup", "weight is 0"),
        ([SR4IR, "train:sharp_fraction=0.5"], "train.sharp_fraction", "no stage"),
        (["train:stages=[{name: sr4ir, beta: 0.5}]"], "train.stages.0.beta", "one loss"),
        (["loss:alpha={schedule: constant, floor: 0.5}"], "loss.alpha.floor", "at 0.01"),
        (["loss:alpha={schedule: boundary_rising, start: 0.5}"], "loss.alpha.start", "at 1.0"),
        (["train:stages=[{name: seg, beta: 0.5}]"], "train.stages.0.beta", "one loss"),
        (["train:stages=[{name: sr, beta_end: 0.5}]"], "train.stages.0.beta_end", "one loss"),
        (["train:stages=[{name: seg_hr, sr_lr_factor: 0.5}]"], "train.stages.0.sr_lr_factor", "SR network"),
        (["train:optimizer:momentum=0.5"], "train.optimizer.momentum", "adam"),
        (["train:optimizer={type: sgd, betas: [0.5, 0.9]}"], "train.optimizer.betas", "sgd"),
        (["train:scheduler:final=0.5"], "train.scheduler.final", "constant"),
        ([*DSRL, "joint:normalise=none"], "joint.normalise", "network"),
        (["evaluation:surface_step=99"], "evaluation.surface_step", "99 thresholds"),
    ],
)
def test_what_would_do_nothing_is_told(changes: list[str], path: str, reason: str) -> None:
    message = reasons(*changes)
    assert message.startswith(f"{path}") and reason in message and "\n" not in message
    assert message.count("; ") == 1, message  # one fault, with its repair


@pytest.mark.parametrize(
    "changes",
    [
        [], [FOLDER], [TEST, "datasets:test:seed=5"], [VAL, "datasets:val:seed=5"],
        ["datasets:test={count: 2, seed: 5}"],
        [VAL, "val:val_freq=0"], ["val:val_freq=0"], [VAL, "val={conditions: [hr], best: hr/loss}"],
        [VAL, "val:best=degraded/kernel_psnr"], [VAL, SR, "val:best=degraded/psnr"],
        [*DSRL, "loss:affinity:weight=0.5"], ["loss:topology={type: skeleton_recall, weight: 0.5, tube: 1}"],
        ["network_seg:type=film_fpn", "loss:blur_weight=0.1"], ["network_seg:type=film_fpn"],
        [JOINT, "loss={fail_oriented: 1.0, oriented_from: 9}"], [SR, "loss:crack_oriented=1.0"],
        ["train:teacher=x", "loss:teacher_weight=0.5"], ["loss:alpha={schedule: linear, floor: 0.5}"],
        ["train:stages=[{name: joint, beta: 0.5, beta_end: 0.6, sr_lr_factor: 0.5}]"],
        ["train:optimizer={type: sgd, momentum: 0.5}"], ["train:scheduler={type: cosine, final: 0.5}"],
        ["train:teacher=x", "loss:distillation={weight: 0.5, schedule: linear, final: 0.5}"],
        [SR4IR, "loss:task_driven={weight: 0.5, warmup: 0.0, levels: all, cells: 4}", "loss:crack_oriented=1.0"],
        [SR4IR, "loss:task_driven={weight: 0.0, cells: 4}"],
        ["evaluation:surface_step=98"], ["wandb={mode: disabled, project: x}"],
    ],
)  # fmt: skip
def test_what_does_something_is_not_told(changes: list[str]) -> None:
    assert reasons(*changes) == ""


def test_stages_are_those_that_there_are() -> None:
    assert set(SEGMENT) == {name for name, kind in STAGE_SPECS.items() if kind.segments}
    assert set(RESTORE) == {name for name, kind in STAGE_SPECS.items() if trains_restoration(kind)}


def test_a_file_is_refused_in_one_line_and_options_kept_in_weights_are_not(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    tree = {**MINIMAL, "loss": {"oriented_from": 3}}
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    with pytest.raises(UserError, match=f"^{path}: loss.oriented_from: "):
        load_options(path)
    assert change_options(tree, [], "best.pth").loss.oriented_from == 3
    assert change_options(tree, ["seed=4"], "best.pth").seed == 4
    with pytest.raises(UserError, match="^best.pth: datasets.train.part: type synthetic has none"):
        change_options(tree, ["datasets:train:part=test"], "best.pth")


# -- a type that changes --------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, -1])
def test_the_number_of_images_to_draw_limits_no_folder(order: int) -> None:
    options = tiny(Path("nowhere"), *["datasets:train:type=folder", "datasets:train:root=photos"][::order])
    train = options.datasets.train
    assert (train.type, train.root, train.count, train.seed) == ("folder", "photos", None, 0)
    assert (train.augmentation.crop, train.loader.batch_size, train.augmentation.crack_crop_probability) == (
        32,
        2,
        0.4,
    )  # as tiny.yml has them


def test_what_is_given_with_the_new_type_stays() -> None:
    changes = ["datasets:test:count=7", "datasets:test:type=folder", "datasets:test:root=a", "datasets:test:seed=4"]
    test = tiny(Path("nowhere"), *changes).datasets.test
    assert (test.type, test.count, test.seed) == ("folder", 7, 4)


def test_the_same_type_again_changes_nothing() -> None:
    assert tiny(Path("nowhere"), "datasets:train:type=synthetic") == tiny(Path("nowhere"))
    assert changed("datasets:train:type=synthetic") == changed()  # its default, which the file leaves out


def test_of_optimiser_scheduler_and_alpha_what_the_new_kind_lacks_is_left_behind() -> None:
    train = {
        **MINIMAL["train"],
        "optimizer": {"betas": [0.5, 0.9], "lr": 0.1, "weight_decay": 0.2},
        "scheduler": {"type": "cosine", "final": 0.1, "warmup_iter": 3},
    }
    saved = {**MINIMAL, "train": train, "loss": {"alpha": {"schedule": "linear", "start": 0.9, "floor": 0.5}}}
    changes = ["train:optimizer:type=sgd", "train:scheduler:type=constant", "loss:alpha:schedule=constant"]
    options = change_options(saved, changes, "kept")
    chosen = options.train.optimizer
    assert (chosen.lr, chosen.weight_decay, chosen.betas) == (0.1, 0.2, [0.9, 0.999])
    assert (options.train.scheduler.warmup_iter, options.train.scheduler.final) == (3, 0.0)
    assert (options.loss.alpha.start, options.loss.alpha.floor) == (0.9, 0.01)
    decayed = change_options(saved, ["train:scheduler:type=linear", "loss:alpha:schedule=paper"], "kept")
    assert (decayed.train.scheduler.final, decayed.loss.alpha.floor) == (0.1, 0.5)


def test_arguments_of_another_network_or_step_do_not_stay() -> None:
    saved = {
        **MINIMAL,
        "network_sr": {"type": "kbpn", "stages": 1},
        "degradation": {"preset": None, "steps": [{"type": "blur", "kernel": "disk"}, {"type": "downscale"}]},
    }
    options = change_options(saved, ["network_sr:type=edsr", "network_sr:width=8"], "kept")
    assert options.network_sr.arguments() == {"width": 8}
    assert change_options(saved, ["network_sr:type=kbpn"], "kept").network_sr.arguments() == {"stages": 1}
    assert change_options(saved, ["degradation:steps:0:type=jpeg"], "kept").degradation.steps[0] == {"type": "jpeg"}


# -- names and paths ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [".", "..", "...", "-x", ".hidden", "a/b", "", "a b", "x_archived_1"])
def test_names_that_are_no_folder_of_their_own_are_refused(name: str) -> None:
    assert option_error(f"name='{name}'").startswith("minimal.yml: name: it names a folder: ")


@pytest.mark.parametrize("name", ["a", "a.b", "v1.0-x", "_x", "1"])
def test_names_of_folders(name: str) -> None:
    assert changed(f"name='{name}'").name == name


def test_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    options = changed(
        "datasets:test={type: folder, root: ~/photos, lists: [~/a.txt, b.txt], frozen: ~/set}",
        "path:experiments_root=~/runs",
        "train:teacher=~/t.pth",
        "loss:teacher_weight=0.5",
        "network_sr:weights=~/w.pth",
        "datasets:train:labels={source: csv, file: ~/l.csv}",
        "loss:segmentation:type=image_label",
    )
    test, home = options.datasets.test, "/home/someone"
    assert (test.root, test.lists, test.frozen) == (f"{home}/photos", [f"{home}/a.txt", "b.txt"], f"{home}/set")
    assert options.path.experiments_root == f"{home}/runs" and options.train.teacher == f"{home}/t.pth"
    assert options.network_sr.weights == f"{home}/w.pth" and options.datasets.train.labels.file == f"{home}/l.csv"


def test_every_option_that_names_a_file_knows_the_home_folder() -> None:
    """By their descriptions: what speaks of a file or a folder."""
    plain = [
        f"{section.__name__}.{name}"
        for section in sections(Options)
        for name, field in section.model_fields.items()
        if field.annotation in (str, str | None, str | list[str] | None)
        and not field.metadata
        and any(word in (field.description or "") for word in ("file", "folder", "weights of a", "rendered"))
    ]
    assert plain == ["Options.name"]  # which is no path


def test_a_base_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "base.yml").write_text(TINY.read_text().replace("../options", str(ROOT / "options")))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "mine.yml").write_text("base: ~/base.yml\nname: mine\n")
    assert load_options(tmp_path / "sub" / "mine.yml").name == "mine"


# -- every option is read -------------------------------------------------------------------------


def sections(model: type[BaseModel]) -> list[type[BaseModel]]:
    """The sections below a model, and itself."""
    below = [model]
    for field in model.model_fields.values():
        for inner in (field.annotation, *typing.get_args(field.annotation)):
            for kind in (inner, *typing.get_args(inner)):
                if isinstance(kind, type) and issubclass(kind, BaseModel):
                    below += [section for section in sections(kind) if section not in below]
    return below


def test_every_option_is_read_outside_the_options() -> None:
    files = [path for folder in ("engine", "tools") for path in (ROOT / folder).rglob("*.py")]
    files = [path for path in files if "options" not in path.relative_to(ROOT).parts]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files]
    read = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    read |= {"corrections"} if "in_force" in read else set()
    by_name = {"Evaluation": read | {"classical", "all_crack"}}  # baselines()
    unread = [
        f"{section.__name__}.{name}"
        for section in sections(Options)
        if issubclass(section, Section)
        for name in section.model_fields
        if name not in by_name.get(section.__name__, read)
    ]
    assert len(sections(Options)) > 20 and unread == []
