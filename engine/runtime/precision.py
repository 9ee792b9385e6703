"""In which precision networks compute: decided here alone, for training, evaluation and prediction.

bfloat16 is autocast's: convolutions and matrix products take rounded copies of weights and maps. Weights, optimiser,
losses, restored images, logits, probabilities and metrics stay float32.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from contracts.errors import ArgumentError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
NATIVE = "amx_bf16"  # instructions of CPUs, as the kernel calls them


@dataclass(frozen=True)
class Precision:
    """dtype: that of convolutions and matrix products, float32 or bfloat16; why: for the log, a phrase."""

    dtype: torch.dtype
    why: str

    @property
    def name(self) -> str:
        """As options, checkpoints and results call it."""
        return str(self.dtype).removeprefix("torch.")

    def __str__(self) -> str:
        return f"{self.name} ({self.why})"

    def autocast(self, device_type: str) -> AbstractContextManager:
        """The context in which networks run on a device of that type, such as "cpu"."""
        return nullcontext() if self.dtype == torch.float32 else torch.autocast(device_type, dtype=self.dtype)


FLOAT32 = Precision(torch.float32, "bfloat16 is no quicker here")


def choose(wanted: str, device: torch.device, begun: str | None = None) -> Precision:
    """The precision on a device for what options ask.

    Args:
        wanted: "float32", "bfloat16", or "auto": what is quicker on the device.
        device: that the networks run on.
        begun: the name of the precision in which a resumed training began, which "auto" keeps on any device.

    Raises:
        ArgumentError: for another name.
    """
    native = native_bfloat16(device)
    if wanted != "auto":
        name, why = wanted, "as asked"
    elif begun is not None:
        name, why = begun, "as it was begun"
    else:
        return FLOAT32 if native is None else Precision(torch.bfloat16, native)
    if name not in DTYPES:
        raise ArgumentError(f"precision '{name}': give auto, float32 or bfloat16")
    if name == "bfloat16":
        why += f", {native or 'slow here'}"
    return Precision(DTYPES[name], why)


def native_bfloat16(device: torch.device) -> str | None:
    """What makes bfloat16 quicker than float32 on a device, in words; None where it is not."""
    if device.type == "cuda":
        return "native on this GPU" if torch.cuda.is_bf16_supported(including_emulation=False) else None
    return NATIVE if device.type == "cpu" and onednn_multiplies() and cpu_multiplies() else None


def onednn_multiplies() -> bool:
    """Whether oneDNN is on and may use ``NATIVE``: torch's own convolutions in bfloat16 are ten times slower."""
    most = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()  # read by oneDNN; without AMX it ends at SSE, AVX, ...
    allowed = "AMX" in most or not most.startswith(("SSE", "AVX"))
    return allowed and torch.backends.mkldnn.is_available() and bool(torch.backends.mkldnn.enabled)


def cpu_multiplies(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this CPU multiplies matrices of bfloat16 (``NATIVE``).

    avx512_bf16 is not enough: products of pairs alone make these networks slower than in float32, not quicker
    (docs/performance.md).
    """
    ask = getattr(torch.cpu, "_is_amx_tile_supported", None)  # not public: a version of torch may lack it
    return ask() if ask is not None else NATIVE in _flags(cpuinfo)


def _flags(cpuinfo: Path) -> set[str]:
    """The flags of the first processor; none where the system has no such file."""
    if not cpuinfo.is_file():
        return set()
    lines = (line.partition(":") for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines())
    return next((set(flags.split()) for key, _, flags in lines if key.strip() == "flags"), set())
