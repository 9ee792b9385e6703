"""The authors' program (github.com/Yuki-11/CSBSR) from a clone, unchanged, as far as their training loop goes.

What old code needs in order to run here is put around it: "cuda" means the CPU, and networks begin with random weights
instead of downloads (the VGG-16 and ResNet-34 of ImageNet, their pre-trained KBPN). Their configuration is the
released one. Logging, validation and checkpoints of their loop are too rare to happen.
"""

from __future__ import annotations

import importlib
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from contracts.errors import UserError
from contracts.records import DegradedBatch

CONFIG = "config/config_csbsr_pspnet.yaml"
PARTS = ("model/engine/train/trainer.py", "model/modeling/build_model.py", CONFIG)
GET_IT = "git clone https://github.com/Yuki-11/CSBSR"
PACKAGES = ("yacs", "wandb", "skimage", "timm")  # that their modules import
NEVER = 10**9  # steps between what their loop does beside training


def check_clone(clone: Path) -> None:
    """Raise UserError unless ``clone`` holds their program and the packages that it imports are here."""
    absent = [path for path in PARTS if not (clone / path).is_file()]
    if absent:
        raise UserError(f"--clone {clone}: no {absent[0]} there; give a folder made by {GET_IT}")
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise UserError(f"the authors' program needs packages that are not installed: pip install {' '.join(missing)}")


class AuthorsProgram:
    """Their joint model with its losses, optimiser and schedule, at the first step of the joint stage.

    Changes torch and torchvision in this process for good: use a process of its own.

    Args:
        clone: of their repository.
        batch_size: images in a step.
        crop: side of the HR images, pixels.
    """

    def __init__(self, clone: Path, batch_size: int, crop: int) -> None:
        sys.path.insert(0, str(clone))
        cuda_is_the_cpu()
        without_downloads()
        cfg = importlib.import_module("model.config").cfg
        cfg.merge_from_file(str(clone / CONFIG))
        own = {"DEVICE": "cpu", "MODEL.SR_SCRATCH": True, "SOLVER.BATCH_SIZE": batch_size}
        own["INPUT.IMAGE_SIZE"] = [crop, crop]
        cfg.merge_from_list([part for setting in own.items() for part in setting])
        self.cfg, self.began = cfg, cfg.SOLVER.SR_PRETRAIN_ITER[1] - 1
        transforms = importlib.import_module("model.data.transforms.transforms")
        reduction = transforms.FactorResize(cfg.MODEL.SCALE_FACTOR, cfg.SOLVER.DOWNSCALE_INTERPOLATION)
        build = importlib.import_module("model.modeling.build_model").JointModelWithLoss
        model = build(cfg, num_train_ds=batch_size, resume_iter=self.began, sr_transforms=reduction)
        self.optimizer = torch.optim.Adam(model.parameters(), lr=cfg.SOLVER.LR, betas=(0.9, 0.999), eps=1e-8)
        rates = importlib.import_module("model.utils.lr_scheduler")
        rate = rates.UpDownScheduler(cfg.SOLVER.SR_PRETRAIN_ITER[1], self.began, cfg.SOLVER.SCHEDULER)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lr_lambda=rate)
        self.model = importlib.import_module("model.utils.sync_batchnorm").convert_model(model)

    def train(self, batches: Iterable[tuple[Tensor, ...]]) -> None:
        """Their training loop on ``batches`` as they load them (see ``as_theirs``); ``batches`` has a length."""
        arguments = Namespace(
            resume_iter=self.began,
            wandb_flag=False,
            num_gpus=1,
            log_step=NEVER,
            save_step=NEVER,
            eval_step=NEVER,
            debug=True,
        )
        loop = importlib.import_module("model.engine.trainer").do_train
        loop(arguments, self.cfg, self.model, self.optimizer, self.schedule, batches, [])


def as_theirs(batch: DegradedBatch) -> tuple[Tensor, ...]:
    """LR images, HR images, masks and kernels, in the order and layout in which their loader gives them."""
    return tuple(tensor.contiguous() for tensor in (batch.lr, batch.hr, batch.mask, batch.kernel))


def cuda_is_the_cpu() -> None:
    """Let tensors and modules that are moved to "cuda" stay where they are."""

    def stays(move: Callable) -> Callable:
        @wraps(move)
        def moved(self: Tensor | nn.Module, *arguments: object, **named: object) -> Tensor | nn.Module:
            return move(self, *("cpu" if argument == "cuda" else argument for argument in arguments), **named)

        return moved

    Tensor.to = stays(Tensor.to)  # type: ignore[method-assign]  # replaced on purpose, as the next two
    nn.Module.to = stays(nn.Module.to)  # type: ignore[method-assign]
    Tensor.cuda = lambda self, *arguments, **named: self  # type: ignore[method-assign]


def without_downloads() -> None:
    """Let their networks begin with random weights where they would load those of ImageNet."""
    import torchvision

    extractors: Any = importlib.import_module("model.modeling.pspnet_pytorch.extractors")
    vgg, resnet = torchvision.models.vgg16, extractors.resnet34
    torchvision.models.vgg16 = lambda pretrained: vgg(weights=None)
    extractors.resnet34 = lambda pretrained: resnet(pretrained=False)
