from __future__ import annotations

import pytest

from changewire.state.records import RunState
from tests.actions.rig import Rig
from tests.connectors.server import Reply, Server


def run(rig: Rig, server: Server, url: str, /, **payload: str) -> str | None:
    """Ask for ``url`` in a workflow; why its run paused, None: it succeeded."""
    port = str(server.port)
    server.route = lambda path: lambda seen: Reply()  # type: ignore[method-assign]
    rig.environment.variables.update(BASE=f"http://127.0.0.1:{port}", HOST="127.0.0.1")  # type: ignore[attr-defined]
    payload = {name: value.replace("PORT", port) for name, value in payload.items()}
    step = url.replace("PORT", port).replace('"', '\\"')
    rig.start(f'steps: [{{use: http.request, with: {{url: "{step}"}}}}]', payload)
    return None if rig.go() is RunState.SUCCEEDED else rig.reason or "paused"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:PORT/x",
        "http://127.0.0.1:PORT",
        "http://127.0.0.1:PORT/{{ payload.x }}",
        "HTTP://127.0.0.1:PORT?x={{ payload.x }}",
        "${BASE}/x",
        "${BASE}/{{ payload.x }}",
        "http://${HOST}:PORT/{{ payload.x }}",
        "${NONE:-http://127.0.0.1:PORT}/{{ payload.x }}",
        "{{ payload.own }}",
    ],
)
def test_an_address_that_stands_literally_in_a_workflow_may_be_private(rig: Rig, server: Server, url: str) -> None:
    own = url == "{{ payload.own }}"  # the counterexample: the same address out of data
    why = run(rig, server, url, x="1", own="http://127.0.0.1:PORT/x")
    assert (why is None, len(server.seen)) == (not own, 0 if own else 1)


@pytest.mark.parametrize(
    "url",
    [
        "{{ payload.url }}",
        "{{ payload.url | default('https://example.com/') }}",
        "{{ payload.none | default('http://127.0.0.1:PORT/') }}",
        "{{ 'http://127.0.0.1:PORT/' }}",
        "{{ 'http://127.0.0.1' }}:PORT/",
        "http://{{ payload.host }}:PORT/",
        "http://127.0.0.1:{{ payload.port }}/",
        "http://127.0.0.1:PORT{{ payload.slash }}x",
        "http://127.0.0.1{{ payload.colon }}PORT/",
        "{{ payload.scheme }}://127.0.0.1:PORT/",
        "{% if true %}http://127.0.0.1:PORT/x{% endif %}",
        "{# #}http://127.0.0.1:PORT/x",
        "${HOST:-{{ payload.url }}}",
        "http://example.com:80@127.0.0.1:PORT/{{ payload.x }}",
    ],
)
def test_an_address_that_an_expression_decides_about_is_guarded(rig: Rig, server: Server, url: str) -> None:
    payload = {"url": "http://127.0.0.1:PORT/", "host": "127.0.0.1", "port": "PORT", "slash": "/", "colon": ":"}
    assert run(rig, server, url, **payload, scheme="http", x="x") is not None
    assert not server.seen


@pytest.mark.parametrize("x", ["../admin", "..", "%2e%2e/admin", "..%2Fadmin", "..\\admin", "a/../../x", ".%2e%5Cx"])
@pytest.mark.parametrize("url", ["http://127.0.0.1:PORT/items/{{ payload.x }}", "${BASE}/items/{{ payload.x }}/end"])
def test_data_cannot_lead_out_of_the_path_that_is_written(rig: Rig, server: Server, url: str, x: str) -> None:
    why = run(rig, server, url, x=x) or ""
    assert "leads out of its folder by '..'" in why or "holds a backslash" in why
    assert not server.seen
