"""Several kinds of poison at once, in the real program: good items fire once, the others are shown, and fire once after
the repair.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.cli.rig import changewire, lines
from tests.support.homes import make_home
from tests.support.json_api import JsonApi
from tests.support.processes import DaemonProcess, ask, baselines, wait_for

LOG = {"use": "core.log", "with": {"message": "{{ event.key }}"}}
PARTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "ready": {"ready": "{{ item.price > 0 }}", "kind": ["created", "updated"]},
    "payload": {"payload": {"share": "{{ 1 / item.price }}"}},
    "word": {"event_type": "{{ item.name[0] }}_made"},
    "detail": {"detail": {"path": "/document"}, "payload": {"made": "{{ detail.by_id[item.id | string] }}"}},
}
GOOD = ["2", "6"]


def kind(name: str) -> dict[str, Any]:
    about = {"connector": "http", "title": name, "description": name, "request": {"path": "/rows"}, "items": "data"}
    sample = {"id": 1, "name": "row", "price": 1}
    more = {"sample_detail": {"by_id": {"1": "me"}}} if name == "detail" else {}
    return {"type": f"shop.{name}", **about, "key": "id", "kind": "created", "sample": sample, **PARTS[name], **more}


def row(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": number, "name": f"row {number}", "price": 1, **fields}


def deep() -> Any:
    data: Any = "end"
    for _ in range(130):
        data = [data]
    return data


def poisoned() -> list[Any]:
    lost = {"name": "lost", "price": 1}
    return [row(1), lost, row(2), row(3, name=deep()), row(4, price="free"), row(5, name=""), row(6), "text", None]


def home_of(folder: Path, api: JsonApi) -> Path:
    """A home with a workflow for each type, and with files that cannot be used."""
    connections = json.dumps({"shop": {"connector": "http", "base_url": api.url}})
    trigger = {"every": "1s", "connection": "shop"}
    flows: dict[str, Any] = {name: {"trigger": {"type": f"shop.{name}", **trigger}, "steps": [LOG]} for name in PARTS}
    flows["asks"] = {**flows["plain"], "when": "{{ payload.item.more.there }}"}
    texts: dict[str, Any] = {name: json.dumps(data) for name, data in flows.items()}
    texts |= {"broken": "trigger: {type: shop.plain", "foreign": "trigger: {type: shop.nothing}\nsteps: []\n"}
    home = make_home(folder / "home", connections, texts)
    for folder_name in ("triggers", "actions"):
        (home / folder_name).mkdir(exist_ok=True)
        (home / folder_name / "broken.yaml").write_text("{type: [")
    for name in PARTS:
        (home / "triggers" / f"{name}.yaml").write_text(json.dumps(kind(name)))
    (home / "actions" / "broken.py").write_text("def act(:\n")
    return home


def fired(home: Path, workflow: str) -> Counter[str]:
    return Counter(key for (key,) in ask(home, "SELECT key FROM events WHERE workflow = ?", workflow))


def test_good_items_fire_once_and_poisoned_ones_once_after_the_repair(tmp_path: Path) -> None:
    with JsonApi() as api:
        api.rows = [row(1)]
        api.document = {"by_id": {str(number): "me" for number in range(1, 8) if number != 4}}
        home = home_of(tmp_path, api)
        with DaemonProcess(home) as daemon:
            assert wait_for(lambda: baselines(home) == len(PARTS) + 1, 60), daemon.log.read_text()[-3000:]
            api.rows = poisoned()
            assert wait_for(lambda: all(fired(home, name).keys() >= set(GOOD) for name in PARTS), 60)
            assert wait_for(lambda: len(ask(home, "SELECT trigger_id FROM set_aside GROUP BY trigger_id")) == 6, 60)
            status = changewire("--json", "status", CHANGEWIRE_HOME=str(home))
            assert status.exit_code == 3
            (shown,) = lines(status.stdout)
            aside = {(each["trigger"].partition("/")[0], each["item"]) for each in shown["set_aside"]}
            everywhere = {"number 2 of the list", "3", "number 8 of the list", "number 9 of the list"}
            assert aside >= {(name, item) for name in (*PARTS, "asks") for item in everywhere}
            special = {name: sorted(item for workflow, item in aside if workflow == name) for name in PARTS}
            assert {name: set(items) - everywhere for name, items in special.items()} == {
                "plain": set(), "ready": {"4"}, "payload": {"4"}, "word": {"5"}, "detail": {"4"}
            }  # fmt: skip
            assert wait_for(lambda: ask(home, _PAUSED) == [(4,)], 60), ask(home, "SELECT state, reason FROM runs")
            api.document["by_id"]["4"] = "me"
            api.rows = [row(number, more={"there": True}) for number in range(1, 8)]
            every = Counter(map(str, range(2, 8)))
            assert wait_for(lambda: all(fired(home, name).keys() == every.keys() for name in PARTS), 90)
            assert wait_for(lambda: ask(home, "SELECT count(*) FROM set_aside") == [(0,)], 60)
            assert wait_for(lambda: ask(home, "SELECT count(*) FROM runs WHERE state = 'pending'") == [(0,)], 60)
            assert daemon.terminate() == 0
    for name in PARTS:
        if name != "ready":  # which also fires for what has changed
            assert fired(home, name) == every, name
    assert b"Traceback" not in daemon.log.read_bytes()


_PAUSED = "SELECT count(*) FROM runs WHERE workflow = 'asks' AND state = 'paused'"
