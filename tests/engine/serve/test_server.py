"""What the server of the page answers, and what it does not: over HTTP, without a browser."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from tests.helpers.runs import assert_error, run_here

pytest.importorskip("gradio", reason="the optional extra serve (gradio) is not installed")
from starlette.testclient import TestClient

from engine.predict.source import find_source
from engine.serve.finder import Finder
from engine.serve.kept import Kept
from engine.serve.page import GONE, Desk, guarded
from engine.serve.server import application
from engine.serve.uploads import MOST_WAITING, PATIENCE

HOME = "http://127.0.0.1:7860"


@pytest.fixture(scope="module")
def finder(tiny_weights: Path) -> Finder:
    return Finder(find_source(None, str(tiny_weights), "float32"))


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def client(finder: Finder, uploads: Path) -> Iterator[TestClient]:
    with mock.patch.dict(os.environ), TestClient(application(finder, "127.0.0.1", 7860, uploads), base_url=HOME) as one:
        yield one


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_page_is_there_and_fetches_from_nowhere_else(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200 and "Cracks in a photograph" in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy and "http" not in policy and "*" not in policy
    config = client.get("/config").json()
    assert config["analytics_enabled"] is False and config["footer_links"] == []


def test_no_file_of_the_disk_is_served(client: TestClient, tmp_path: Path) -> None:
    """Neither of the system, nor of the working directory, nor one that was uploaded, nor what is behind an address."""
    (tmp_path / "mine.txt").write_text("mine")
    sent = client.post("/gradio_api/upload", files={"files": ("photo.png", b"content", "image/png")})
    assert sent.status_code == 200
    (uploaded,) = sent.json()
    assert Path(uploaded).read_bytes() == b"content"
    Path(uploaded).unlink()
    wanted = (
        "/etc/passwd",
        "predict.py",
        str(Path(__file__)),
        str(tmp_path / "mine.txt"),
        uploaded,
        f"{HOME}/theme.css",
    )
    for prefix in ("/file=", "/gradio_api/file=", "/gradio_api//file=", "/gradio_api/proxy=", "/static/", "/assets/"):
        for path in wanted:
            for form in (path, "../" * 8 + path.lstrip("/"), path.replace("/", "%2f")):
                answer = client.get(prefix + form)
                assert answer.status_code in (403, 404), (prefix, form, answer.text[:200])


def test_only_this_computer_by_its_own_name(client: TestClient) -> None:
    """A page elsewhere that has its own name lead here would otherwise read what is found."""
    assert client.get("/", headers={"host": "evil.example:7860"}).status_code == 404
    assert client.get("/", headers={"host": "localhost:7860"}).status_code == 200
    assert client.get("/", headers={"host": "[::1]:7860"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"origin": "http://evil.example"}, {"origin": "http://127.0.0.1:8000"}, {"origin": "null"}]
    + [{"sec-fetch-site": site} for site in ("cross-site", "same-site")],
)
def test_what_another_page_sends_is_refused(client: TestClient, uploads: Path, headers: dict[str, str]) -> None:
    photo = {"files": ("photo.png", b"content", "image/png")}
    before = files_in(uploads)
    for address in ("/gradio_api/upload", "/gradio_api/queue/join", "/gradio_api/run/predict"):
        assert client.post(address, files=photo, headers=headers).status_code == 403
    assert files_in(uploads) == before
    assert client.get("/", headers=headers).status_code == 200  # a link to the page


def test_what_the_page_itself_sends_is_taken(client: TestClient, uploads: Path) -> None:
    headers = {"origin": HOME, "sec-fetch-site": "same-origin"}
    sent = client.post("/gradio_api/upload", files={"files": ("photo.png", b"mine", "image/png")}, headers=headers)
    assert sent.status_code == 200
    assert Path(sent.json()[0]).is_relative_to(uploads)
    Path(sent.json()[0]).unlink()


def test_uploads_have_a_limit(client: TestClient, uploads: Path) -> None:
    before = files_in(uploads)
    sent = client.post("/gradio_api/upload", files={"files": ("photo.png", bytes(41 * 2**20), "image/png")})
    assert sent.status_code == 413
    half = ("photo.png", bytes(21 * 2**20), "image/png")
    assert client.post("/gradio_api/upload", files=[("files", half)] * 2).status_code == 413
    assert files_in(uploads) == before


def test_uploads_of_untold_length_have_the_same_limit(client: TestClient, uploads: Path) -> None:
    """Each file is small enough, the body is sent in chunks, and what was written until then is removed."""
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'

    def body() -> Iterator[bytes]:
        for _ in range(3):
            yield head
            for _ in range(20):
                yield bytes(2**20)
            yield b"\r\n"
        yield b"--x--\r\n"

    before = files_in(uploads)
    kind = {"content-type": "multipart/form-data; boundary=x"}
    assert client.post("/gradio_api/upload", content=body(), headers=kind).status_code == 413
    assert files_in(uploads) == before


def test_so_many_files_wait_and_no_more(client: TestClient, uploads: Path) -> None:
    """What waited too long makes room, and what else was left in the folder goes with it."""

    def send(number: int) -> int:
        file = ("photo.png", b"%d" % number, "image/png")
        return client.post("/gradio_api/upload", files={"files": file}).status_code

    assert [send(number) for number in range(MOST_WAITING)] == [200] * MOST_WAITING
    (uploads / "left_over").touch()
    assert send(100) == 503 and len(files_in(uploads)) == MOST_WAITING
    oldest = files_in(uploads)[0]
    os.utime(oldest, (time.time() - PATIENCE - 1,) * 2)
    assert send(101) == 200 and not oldest.exists()
    assert send(102) == 503 and len(files_in(uploads)) == MOST_WAITING
    for file in files_in(uploads):
        file.unlink()


def test_files_of_a_result(finder: Finder) -> None:
    """Made when they are asked for, under a name that cannot be guessed; the photograph's name is no header."""
    desk = Desk(finder, Kept(1), Kept(1))
    photograph = desk.example()[0]
    result, answer, picture, _, links, _ = desk.search(photograph, "never", 0.5, "mm per pixel", 0.5, None, "", "")
    assert "a drawn photograph" in answer and picture.count("data:image") == 2
    assert f"download/{result}/report.pdf?threshold=0.5&amp;mm=0.5" in links
    from fastapi import FastAPI

    from engine.serve.server import _add_downloads

    app = FastAPI()
    _add_downloads(app, desk.results, finder)
    client = TestClient(app)
    report = client.get(f"/download/{result}/report.pdf?threshold=0.5")
    assert report.content.startswith(b"%PDF") and report.headers["content-type"] == "application/pdf"
    assert report.headers["content-disposition"] == 'attachment; filename="a_drawn_photograph_report.pdf"'
    assert client.get(f"/download/{result}/cracks.csv?threshold=0.5&mm=0.5").text.startswith("image,crack")
    for wrong in (f"{result}/passwd?threshold=0.5", f"{result}/report.pdf?threshold=7", "x/report.pdf?threshold=0.5"):
        assert client.get(f"/download/{wrong}").status_code == 404
    statuses = {
        threshold: client.get(f"/download/{result}/cracks.csv?threshold={threshold}").status_code
        for threshold in ("0", "0.00001", "0.049", "0.05", "0.95", "0.951", "0.99999", "1", "nan")
    }
    assert [threshold for threshold, status in statuses.items() if status == 200] == ["0.05", "0.95"]
    assert set(statuses.values()) == {200, 404}
    assert "threshold 1e-05" in guarded(desk.show, 4, 0)(result, 0.00001, "not known", None, None, "", "")[0]
    assert client.get(f"/download/{result}/cracks.csv?threshold=0.5&mm=-1").status_code == 400
    desk.search(photograph, "never", 0.5, "not known", None, None, "", "")  # takes the place of the first
    assert client.get(f"/download/{result}/report.pdf?threshold=0.5").status_code == 404


def test_what_goes_wrong_is_told_on_the_page(
    finder: Finder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(finder, Kept(1), Kept(1))
    (tmp_path / "text.png").write_text("no image")
    words = guarded(desk.received, 8, 2)(str(tmp_path / "text.png"))[2]
    assert "not an image" in words and str(tmp_path) not in words
    assert list(tmp_path.iterdir()) == []  # nothing that was sent is kept
    assert GONE in guarded(desk.search, 6, 1)("forgotten", "auto", 0.5)[1]

    def fail() -> list[object]:
        raise ZeroDivisionError("secret")

    assert "secret" not in guarded(fail, 2, 0)()[0] and "ZeroDivisionError" in capsys.readouterr().err


def test_a_wrong_scale_leaves_the_answer_in_pixels(finder: Finder) -> None:
    desk = Desk(finder, Kept(1), Kept(1))
    _, answer, *_ = desk.search(desk.example()[0], "never", 0.5, "mm per pixel", -1, None, "", "")
    assert "Without a scale: Give the millimetres per pixel" in answer


# -- the command ----------------------------------------------------------------------------------


def test_mistakes_get_one_line(tiny_weights: Path, tmp_path: Path) -> None:
    weights = ("--weights", tiny_weights)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        mistakes = {
            f"--port {port}: cannot listen there (Address already in use)": ("--serve", "--port", port, *weights),
            "--host 203.0.113.9 --port 7860: cannot listen": ("--serve", "--host", "203.0.113.9", *weights),
            "--port 0: give a number from 1": ("--serve", "--port", 0),
            "only the page of --serve has an address": ("photo.jpg", "--port", 7861),
            "--serve takes photographs on its page": ("photo.jpg", "--serve"),
            "--export and --serve: give one of them": ("--serve", "--export", "onnx"),
            "the page takes 0.05 to 0.95": ("--serve", "--threshold", 0.99),
            "--runtime torch: m.onnx was exported": ("--serve", "--weights", "m.onnx", "--runtime", "torch"),
        }
        for message, arguments in mistakes.items():
            assert_error(run_here("predict.py", *arguments, cwd=tmp_path), message)


@pytest.mark.parametrize(
    "option",
    ["--measure", "--geojson", "--resume", "--overwrite", "--probability"]
    + [f"{name} x" for name in ("-o", "--rle", "--coco", "--yolo")]
    + ["--restore always", "--bits 12", "--min-length 5", "--mosaic never", "--mm-per-pixel 0.2", "--distance 2"]
    + ["--reference 1 1 50 50 9", "--focal-length 24", "--sensor-width 36", "--scale-uncertainty 3"],
)
def test_options_that_count_for_nothing_are_refused(option: str, tmp_path: Path) -> None:
    outcome = run_here("predict.py", "--serve", *option.split(), cwd=tmp_path)
    assert_error(outcome, f"{option.split()[0]} counts for nothing with --serve; leave it out")


def test_without_gradio_one_line_says_what_to_install(
    tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    outcome = run_here("predict.py", "--serve", "--weights", tiny_weights, "--port", port, cwd=tmp_path)
    assert_error(outcome, "pip install gradio")
