"""A browser for tests of pages, where there is one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
REPAIR = "pip install playwright, and 'playwright install chromium' or the system's chromium"


@contextmanager
def headless_browser() -> Iterator[Browser]:
    """Chromium without a window; the test is skipped where it or playwright is missing."""
    sync_api = pytest.importorskip("playwright.sync_api", reason=f"no browser to drive: {REPAIR}")
    program = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    with sync_api.sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        except sync_api.Error as error:
            pytest.skip(f"no browser that starts ({str(error).splitlines()[0]}): {REPAIR}")
        yield browser
        browser.close()
