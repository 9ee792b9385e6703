"""The page as somebody uses it: a real browser, the real command, the weights that ship, a drawn photograph."""

from __future__ import annotations

import csv
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from engine.serve.received import drawn
from tests.helpers.browser import headless_browser
from tests.helpers.runs import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("gradio", reason="the optional extra serve (gradio) is not installed")
pytestmark = pytest.mark.slow
PATIENCE = 120_000  # ms; the first search compiles and others may use the machine
PHONE = {"width": 390, "height": 844}


@contextmanager
def served(folder: Path, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[str], list[str]]]:
    """The page by ``predict.py --serve``: its address, the process, and what it printed before that."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, str(ROOT / "predict.py"), "--serve", "--weights", "compact", "--port", port, *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "TMPDIR": str(folder)}
    with subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        printed: list[str] = []
        assert process.stdout is not None
        for line in process.stdout:
            printed.append(line.strip())
            if line.startswith("open http"):
                break
        else:
            pytest.fail("\n".join(printed))
        yield f"http://127.0.0.1:{port}/", process, printed
        process.kill()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("served")) as (address, _, _):
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with headless_browser() as one:
        yield one


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page in a window of its own, which has asked this server alone when it is closed."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    one, asked = context.new_page(), []
    one.on("request", lambda request: asked.append(request.url))
    one.set_default_timeout(PATIENCE)
    one.goto(address)
    one.wait_for_selector("#cs-find")
    yield one
    context.close()
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


def heading(page: Page) -> str:
    return page.locator("#cs-answer h2").inner_text().replace("\u00a0", " ")


def upload(page: Page, path: Path) -> None:
    page.set_input_files("#cs-photo input[type=file]", path)


def width_and_window(page: Page) -> tuple[int, int]:
    width, window = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    return width, window


def test_upload_read_move_the_threshold_download(page: Page, tmp_path: Path) -> None:
    Image.fromarray(drawn().photo.pixels).save(tmp_path / "wall.png")
    upload(page, tmp_path / "wall.png")
    page.wait_for_selector(".cs-stage img")
    assert heading(page) == "Ready to look"
    page.get_by_label("mm per pixel", exact=True).check()
    page.locator("#cs-mm input").fill("0.5")
    page.click("#cs-find")
    page.wait_for_selector(".cs-line")
    first = heading(page)
    answer = re.fullmatch(r"(\d+) cracks, [\d.]+ mm in all, widest [\d.]+ ± [\d.]+ mm", first)
    assert answer, first
    assert page.locator(".cs-table tbody tr").count() == int(answer[1])
    assert "wall.png" in page.locator("#cs-answer").inner_text()

    page.locator(".cs-stage input").fill("80")
    before = page.locator(".cs-before").bounding_box()
    line = page.locator(".cs-line").bounding_box()
    assert before and line and line["x"] + 1 == pytest.approx(before["x"] + 0.8 * before["width"], abs=1)
    page.locator("#cs-threshold input[type=number]").fill("0.3")
    page.keyboard.press("Tab")
    changed = "first => document.querySelector('#cs-answer h2').innerText.replaceAll('\\u00a0', ' ') != first"
    page.wait_for_function(changed, arg=first)
    after = page.locator(".cs-line").bounding_box()
    assert after and after["x"] == line["x"]  # the handle stays

    files = {}
    for label in ("Table (CSV)", "Report (PDF)"):
        with page.expect_download() as download:
            page.get_by_text(label).click()
        files[label] = tmp_path / download.value.suggested_filename
        download.value.save_as(files[label])
    assert [path.name for path in files.values()] == ["wall_cracks.csv", "wall_report.pdf"]
    rows = list(csv.DictReader(files["Table (CSV)"].open(encoding="utf-8")))
    measured = [row for row in rows if not row["reason"]]
    assert f"{len(measured)} cracks, " in heading(page)
    total, shown = sum(float(row["length_mm"]) for row in measured), re.search(r"cracks, ([\d.]+) mm", heading(page))
    assert shown and float(shown[1]) == pytest.approx(total, abs=1)
    assert files["Report (PDF)"].read_bytes().startswith(b"%PDF")


def test_what_is_no_photograph_is_told_on_the_page(page: Page, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    upload(page, tmp_path / "text.jpg")
    page.wait_for_selector(".cs-refused")
    told = page.locator("#cs-answer").inner_text()
    assert "text.jpg" in told and "not an image" in told and "Traceback" not in told and "/tmp" not in told
    assert page.locator("#cs-find").is_disabled()


def test_a_photograph_that_is_too_small_is_told_on_the_page(page: Page, tmp_path: Path) -> None:
    Image.new("RGB", (5, 5)).save(tmp_path / "tiny.png")
    upload(page, tmp_path / "tiny.png")
    page.wait_for_selector(".cs-stage img")
    page.click("#cs-find")
    page.wait_for_selector(".cs-refused")
    assert "tiny.png: 5x5 pixels are too few" in page.locator("#cs-answer").inner_text()


def test_a_known_length_gives_the_scale(page: Page) -> None:
    page.click("#cs-example")
    page.wait_for_selector(".cs-stage img")
    page.get_by_label("a known length").check()
    page.locator("#cs-length input").fill("300")
    page.locator("#cs-a").locator("input, textarea").fill("20,30")
    page.get_by_label("never").check()
    page.click("#cs-find")
    page.wait_for_selector(".cs-line")
    assert "px in all" in heading(page)  # of one point nothing follows
    assert "Give point B as x,y" in page.locator("#cs-answer").inner_text()
    page.locator("#cs-b").locator("input, textarea").fill("420,30")
    page.wait_for_function("() => document.querySelector('#cs-answer h2').innerText.includes('mm')")
    assert "0.75 mm per pixel ± 0.4%" in page.locator(".cs-table").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_lies_beside_the_window(browser: Browser, address: str, scheme: str) -> None:
    context = browser.new_context(viewport=PHONE, color_scheme=scheme, is_mobile=True, has_touch=True)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.wait_for_selector("#cs-find")
    page.click("#cs-example")
    page.wait_for_selector(".cs-stage img")
    page.get_by_label("a known length").check()
    page.wait_for_selector("#cs-b")
    assert width_and_window(page) == (390, 390)
    page.click("#cs-find")
    page.wait_for_selector(".cs-table")
    assert width_and_window(page) == (390, 390)
    beside = (
        "() => [...document.querySelectorAll('#cs-body *')].filter(e => e.getBoundingClientRect().right > 390.5).length"
    )
    assert page.evaluate(beside) == 0
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", paper)[:3])) / 3
    assert (brightness > 200) == (scheme == "light")
    context.close()


def test_another_address_is_warned_of_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    with served(tmp_path, "--host", "0.0.0.0") as (_, process, printed):
        assert any(line.startswith("warning: at 0.0.0.0 everybody") for line in printed)
        assert [path.is_dir() for path in tmp_path.glob("cracks_page_*")] == [True]  # for uploads, of this page alone
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stdout is not None and process.stdout.read().strip() == "stopped by Ctrl-C"
    assert not list(tmp_path.glob("cracks_page_*"))
