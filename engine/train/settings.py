"""How a training loop runs, in plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LoopSettings:
    """How the loop runs.

    Attributes:
        batch_size: samples per step over all processes together.
        seed: of crops and degradations.
        workers: loader processes per training process; 0: none.
        degrade_in_workers: whether these degrade, too.
        accumulate_grad_batches: micro-batches that a batch is taken in.
        grad_clip: largest gradient norm; None: no clipping.
        ema_decay: of the moving average of the weights; 0: off.
        train_batchnorm: whether scales and shifts of the segmentation network's norms train.
        compile: whether to compile the networks where that works.
        val_freq: steps between validations, at least 1; without a validator there are none.
        save_freq: steps between saved states, at least 1.
        teacher_from_file: whether the first teacher can be read again, so that no state holds it.
    """

    batch_size: int
    seed: int = 0
    workers: int = 0
    degrade_in_workers: bool = False
    accumulate_grad_batches: int = 1
    grad_clip: float | None = None
    ema_decay: float = 0.0
    train_batchnorm: bool = True
    compile: bool = False
    val_freq: int = 2000
    save_freq: int = 2000
    teacher_from_file: bool = False
