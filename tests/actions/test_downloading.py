"""Several steps, processes and kills around the same files."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from changewire.actions.downloading import FOLDER, KEPT_FOR, PARTS, Wanted, download
from changewire.clock import SystemClock
from changewire.errors import ApiError, StateError
from changewire.state.downloads import FILE
from changewire.testing import ManualClock
from tests.actions.rig import Rig
from tests.support.download_kills import FILM, kill_again_and_again
from tests.support.file_server import Fault, File, FileServer


@pytest.fixture
def server() -> Iterator[FileServer]:
    one = FileServer()
    one.files["/rec/1"] = File(FILM)
    yield one
    one.close()


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    return make_rig(clock=SystemClock())


def fetch(rig: Rig, url: str, **given: Any) -> dict[str, Any]:
    context = rig.context("work")
    assert context.client is not None
    return download(context, context.client, Wanted(url, **given))


def test_ten_steps_that_want_the_same_file_make_one_request(rig: Rig, server: FileServer) -> None:
    server.faults = [Fault(pause_s=0.02)]
    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(lambda _: fetch(rig, f"{server.url}/rec/1", id="f1", name="x.mp4"), range(10)))
    assert [one.status for one in server.asked] == [200]
    assert sorted(one["downloaded"] for one in found) == [False] * 9 + [True]
    assert {one["path"] for one in found} == {"state/downloads/x.mp4"}


def test_steps_that_want_one_name_for_several_files_get_several_names(rig: Rig, server: FileServer) -> None:
    for number in range(8):
        server.files[f"/rec/{number}"] = File(FILM + bytes([number]), f'"{number}"')
    with ThreadPoolExecutor(8) as pool:
        urls = [f"{server.url}/rec/{number}" for number in range(8)]
        found = list(pool.map(lambda url: fetch(rig, url, id=url, name="x.mp4"), urls))
    assert len({one["path"] for one in found}) == 8
    for number, one in enumerate(found):
        assert (rig.home / one["path"]).read_bytes() == FILM + bytes([number])


def test_a_step_waits_for_another_one_until_its_time_is_over(make_rig: Callable[..., Rig], server: FileServer) -> None:
    rig, others = make_rig(clock=ManualClock()), make_rig(clock=SystemClock())
    goes_on = threading.Event()
    server.faults = [Fault(hold=goes_on)]
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(fetch, others, f"{server.url}/rec/1", id="f1")
        while not server.asked or not server.asked[0].sent:
            goes_on.wait(0.01)
        with pytest.raises(ApiError, match="another step has been downloading the same file all the time"):
            fetch(rig, f"{server.url}/rec/1", id="f1")
        goes_on.set()
        assert first.result(20)["downloaded"] is True


def test_progress_is_told(rig: Rig, server: FileServer) -> None:
    told: list[tuple[str, int, int | None]] = []
    context = rig.context("work", progress=lambda *what: told.append(what))
    assert context.client is not None
    download(context, context.client, Wanted(f"{server.url}/rec/1", name="film.mp4"))
    assert told[-1] == ("film.mp4", len(FILM), len(FILM))
    assert len(told) > 3


def test_an_attempt_that_fails_leaves_its_part_for_the_next(rig: Rig, server: FileServer) -> None:
    server.faults = [Fault(cut=len(FILM) // 2)]
    with pytest.raises(ApiError, match="broke off"):
        fetch(rig, f"{server.url}/rec/1?token=a", id="f1", name="x.mp4")
    assert [path.name for path in (rig.home / FOLDER).iterdir()] == [PARTS]

    found = fetch(rig, f"{server.url}/rec/1?token=b", id="f1", name="x.mp4")
    assert (rig.home / found["path"]).read_bytes() == FILM
    assert [one.sent for one in server.asked] == [len(FILM) // 2, len(FILM) - len(FILM) // 2]


def test_parts_that_nobody_came_back_for_are_forgotten(make_rig: Callable[..., Rig], server: FileServer) -> None:
    clock = ManualClock(SystemClock().now())
    rig = make_rig(clock=clock)
    server.faults = [Fault(cut=100_000)]
    with pytest.raises(ApiError, match="broke off"):
        fetch(rig, f"{server.url}/rec/1", id="f1")
    clock.advance((KEPT_FOR + timedelta(hours=1)).total_seconds())

    server.files["/rec/2"] = File(FILM)
    fetch(rig, f"{server.url}/rec/2", id="f2")
    assert [path.name for path in (rig.home / FOLDER / PARTS).iterdir()] == ["names.lock"]


def test_a_record_that_cannot_be_read_is_told(rig: Rig, server: FileServer) -> None:
    (rig.home / FILE).write_bytes(b"no database at all, but a text that is long enough to look like one" * 100)
    with pytest.raises(StateError, match=r"downloads\.db is damaged or no database"):
        fetch(rig, f"{server.url}/rec/1", id="f1")


def test_what_is_written_is_for_this_user_only(rig: Rig, server: FileServer) -> None:
    found = fetch(rig, f"{server.url}/rec/1", id="f1")
    for path in (rig.home / found["path"], rig.home / FILE):
        assert path.stat().st_mode & 0o077 == 0


def test_a_link_out_of_the_downloads_is_not_followed(rig: Rig, server: FileServer, tmp_path_factory: Any) -> None:
    elsewhere: Path = tmp_path_factory.mktemp("elsewhere")
    (rig.home / FOLDER).mkdir(parents=True)
    (rig.home / FOLDER / "out").symlink_to(elsewhere)
    (rig.home / FOLDER / "x.mp4").symlink_to(elsewhere / "x.mp4")
    with pytest.raises(Exception, match="a link there points elsewhere"):
        fetch(rig, f"{server.url}/rec/1", id="f1", folder="out")
    with pytest.raises(Exception, match="a link there points elsewhere"):
        fetch(rig, f"{server.url}/rec/1", id="f1", name="x.mp4")
    assert list(elsewhere.iterdir()) == []


def test_a_download_that_is_killed_is_taken_up_again(tmp_path: Path, server: FileServer) -> None:
    told = kill_again_and_again(tmp_path, server, kills=2)
    assert told.resumed >= 1
