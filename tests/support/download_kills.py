"""A download in a process of its own that is killed again and again, and goes on each time."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.support.file_server import Fault, File, FileServer
from tests.support.processes import ROOT, wait_for

FILM = b"\0\0\0\x20ftypisom" + random.Random(3).randbytes(3_000_000)
CONNECTIONS = "work: {{connector: zoom, base_url: '{url}', auth: {{type: bearer, token: the-very-token}}}}\n"


@dataclass(frozen=True)
class Told:
    """What came of it."""

    resumed: int  # attempts that went on with what was there
    sent: int  # bytes that the server sent in all


def kill_again_and_again(home: Path, server: FileServer, kills: int, seed: int = 1) -> Told:
    """Kill the download ``kills`` times, each while its file is on its way; the last attempt must bring it whole."""
    (home / "config" / "workflows").mkdir(parents=True)
    (home / "config" / "connections.yaml").write_text(CONNECTIONS.format(url=server.url))
    server.files["/rec/1"] = File(FILM)
    chance, piece = random.Random(seed), 30_000
    for _ in range(kills):
        server.faults = [Fault(pause_s=0.02, piece=piece)]
        with _begin(home, server) as process:
            enough = chance.randrange(1, max(2, len(FILM) // piece // kills)) * piece
            assert wait_for(partial(_arrived, server, process, len(server.asked), enough), 60, 0.005)
            quicker = process.poll() == 0
            process.kill()
            process.communicate()
        if quicker:
            break
        assert not list((home / "state" / "downloads").glob("*.mp4"))
    server.faults = []
    with _begin(home, server) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    output = json.loads(out)["output"]
    assert (home / output["path"]).read_bytes() == FILM
    return Told(sum(one.status == 206 for one in server.asked), sum(one.sent for one in server.asked))


def _arrived(server: FileServer, process: subprocess.Popen[str], before: int, enough: int) -> bool:
    if process.poll() is not None:
        assert process.returncode == 0, process.communicate()
        return True
    return len(server.asked) > before and server.asked[before].sent >= enough


def _begin(home: Path, server: FileServer) -> subprocess.Popen[str]:
    given = [f"url={server.url}/rec/1", "file_id=f1", f"file_size={len(FILM)}", "file_type=MP4"]
    command = [sys.executable, "-m", "changewire", "call", "zoom.download_recording", *given]
    return subprocess.Popen(
        [*command, "--json", "--home", str(home)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
