"""A device that is not here: tensors have shapes, types and a device, but no numbers; mixing devices is an error.

torch's FakeTensorMode runs code meant for a GPU on a machine without one. What it cannot run is the backward pass of
the device "cuda", whose streams the autograd engine asks the driver for: ``backward`` is left out there, and done on
"stand_in", a device of torch's own making for backends written in Python (``stand_in()``).
"""

from __future__ import annotations

import contextlib
import copy
import sys
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar
from unittest import mock

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily

from degradations import jpeg

OURS = ("contracts", "data", "degradations", "engine", "losses", "metrics", "models")
Arguments, Made = ParamSpec("Arguments"), TypeVar("Made")
deepcopy, jpeg_codec = copy.deepcopy, jpeg.DiffJPEG


class FakeDevice:
    """Makes modules and tensors of a device that need not exist, within ``with device.active():``.

    name: "cuda", or that of ``stand_in``. What real CPU tensors a module holds beside its parameters and buffers stay
    where they are, as with a real device: using them there is the fault that this is made to find.
    """

    def __init__(self, name: str) -> None:
        self.device = torch.device(name, 0)
        self.differentiates = name != "cuda"
        self.mode = FakeTensorMode(allow_non_fake_inputs=True)

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Tensors made inside are fake; what the project keeps from call to call is forgotten before and after."""
        _forget()
        try:
            with (
                mock.patch.object(nn.Module, "_apply", _apply),
                mock.patch.object(copy, "deepcopy", _deepcopy),
                mock.patch.object(jpeg, "DiffJPEG", _codec),
                self.mode,
            ):
                yield
        finally:
            _forget()

    def build(self, make: Callable[Arguments, Made], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Made:
        """``make(...)``, a module, built with numbers on the CPU as anywhere, and then moved to the device."""
        with unset_fake_temporarily():
            made = make(*args, **kwargs)
        return made.to(self.device)

    def rand(self, *sides: int) -> Tensor:
        """A tensor on the device that stands for numbers in [0, 1]."""
        return torch.rand(*sides, device=self.device)

    def autocast(self) -> contextlib.AbstractContextManager:
        """bfloat16 on "cuda", which without a driver autocast would refuse; on a stand-in, which has none, nothing."""
        if self.device.type != "cuda":
            return contextlib.nullcontext()
        present = mock.patch.multiple(torch.cuda, is_available=lambda: True, is_bf16_supported=lambda *_: True)
        with present:
            return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def backward(self, loss: Tensor, network: nn.Module | None = None) -> None:
        """Go backward from a scalar; every parameter of ``network`` that trains must get a gradient on the device."""
        self.check(loss)
        if not self.differentiates:
            return
        loss.backward()
        for name, parameter in network.named_parameters() if network is not None else ():
            if parameter.requires_grad:
                assert parameter.grad is not None, f"{name} gets no gradient"
                self.check(parameter.grad)

    def check(self, *tensors: Tensor | None) -> None:
        """Assert that tensors (None: there is none) are on the device."""
        for tensor in tensors:
            assert tensor is None or tensor.device == self.device, f"on {tensor.device}"


def stand_in() -> FakeDevice:
    """The device "stand_in". Call once, in a process of its own: all of torch knows the device from then on."""
    from torch.utils import backend_registration

    class Module(backend_registration._DummyBackendModule):
        """What torch asks of a device; autocast may then be named in connection with it."""

        def is_available(self) -> bool:
            return False  # its memory is not to be touched

        def get_amp_supported_dtype(self) -> list[torch.dtype]:
            return [torch.bfloat16]

    backend_registration._setup_privateuseone_for_python_backend("stand_in", backend_module=Module())
    return FakeDevice("stand_in")


def _apply(module: nn.Module, change: object, recurse: bool = True) -> nn.Module:
    """``nn.Module._apply`` for ``to(device)``, which cannot exchange a real tensor for a fake one in place."""
    known: dict[int, nn.Parameter] = {}
    for part in module.modules():
        for name, old in part._parameters.items():
            if old is not None and id(old) not in known:
                known[id(old)] = nn.Parameter(_moved(old, change), old.requires_grad)
            part._parameters[name] = None if old is None else known[id(old)]
        for name, old in part._buffers.items():
            part._buffers[name] = None if old is None else _moved(old, change)
    return module


def _codec(**arguments: object) -> nn.Module:
    """The JPEG codec with its numbers, which it makes with NumPy."""
    with unset_fake_temporarily():
        return jpeg_codec(**arguments)


def _moved(tensor: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """``change(tensor)``, of a fake copy where the tensor is real."""
    tensor = tensor.detach()
    return change(tensor if isinstance(tensor, FakeTensor) else torch.empty_like(tensor))


def _deepcopy(value: object, memo: dict | None = None) -> object:
    """``copy.deepcopy``, which would look in memory for the numbers of fake tensors."""
    if not isinstance(value, nn.Module):
        return deepcopy(value, memo)
    tensors = [*value.parameters(), *value.buffers()]
    if not any(isinstance(one, FakeTensor) for one in tensors):
        with unset_fake_temporarily():
            return deepcopy(value, memo)
    copies = {id(one): one.detach().clone() for one in tensors}
    copies |= {id(one): nn.Parameter(copies[id(one)], one.requires_grad) for one in value.parameters()}
    return deepcopy(value, copies)


def _forget() -> None:
    """Empty the caches of the project's functions: fake tensors must not meet real ones there."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in OURS:
            for value in vars(module).values():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()
