"""Command lines of ``python -m`` modules, alike in form."""

from __future__ import annotations

import argparse


def module_parser(module: str, description: str | None, epilog: str | None = None) -> argparse.ArgumentParser:
    """A parser for ``python -m module`` whose help keeps the line breaks of its texts.

    Args:
        module: dotted name, such as ``tools.pack``.
        description: shown above the arguments, usually the module's docstring.
        epilog: shown below them.
    """
    return argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
