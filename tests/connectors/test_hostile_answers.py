"""Answers that would fill the memory, in one process that may take 512 MB: each is refused, then a good one is read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.hostile_answers import answers, serving

REFUSED = set(answers()) - {"links", "digits"}


def test_no_answer_ends_a_process_that_may_take_512_mb(tmp_path: Path) -> None:
    (tmp_path / "config" / "workflows").mkdir(parents=True)
    (tmp_path / "state").mkdir()
    names = [*answers(), "good"]
    with serving() as url:
        (tmp_path / "config" / "connections.yaml").write_text(f"api: {{connector: http, base_url: '{url}'}}\n")
        for name in set(names):
            trigger = f"type: http.new_item\n  connection: api\n  with: {{path: /{name}}}"
            steps = "steps:\n  - {use: core.log, with: {message: x}}\n"
            text = f"name: {name}\ntrigger:\n  {trigger}\n{steps}"
            (tmp_path / "config" / "workflows" / f"{name}.yaml").write_text(text)
        command = [sys.executable, "-m", "tests.support.hostile_answers", str(tmp_path), *names]
        done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [result["workflow"] for result in results] == names
    for result in results:
        name, messages = result["workflow"], result["messages"]
        assert "Traceback" not in messages
        assert "fault in Changewire" not in messages, messages
        assert len(messages) < 2000, messages
        if name == "good":
            assert result["code"] == 0, messages
        if name in REFUSED:
            assert result["code"] != 0, name
            assert messages.strip(), name
