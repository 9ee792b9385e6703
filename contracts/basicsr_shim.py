"""Make basicsr 1.4.2 importable: import this module before any ``basicsr`` import.

basicsr 1.4.2 imports ``torchvision.transforms.functional_tensor``, which torchvision removed in
0.17. Its one name in use there, ``rgb_to_grayscale``, lives on in ``transforms.functional``, so
an alias of that module under the old name is enough. Nothing else of torchvision is touched.
"""

from __future__ import annotations

import importlib.util
import sys

OLD_NAME = "torchvision.transforms.functional_tensor"


def install_alias() -> None:
    """Register the alias once; do nothing where torchvision still has the module."""
    if OLD_NAME in sys.modules or importlib.util.find_spec(OLD_NAME) is not None:
        return
    from torchvision.transforms import functional

    sys.modules[OLD_NAME] = functional


install_alias()
