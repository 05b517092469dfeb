"""Whatever a server answers to a sign-in, it is a token or an error with words."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest

from changewire.connectors.client import Client, Request
from changewire.errors import ApiError
from tests.connectors.server import Reply, Server
from tests.support.mutations import Judgement, Mutator, dump

TOKEN = {
    "access_token": "a-token", "token_type": "bearer", "expires_in": 3600, "scope": "read write", "api_url": "",
    "refresh_token": "another-token",
}  # fmt: skip
REFUSAL = {"error": "invalid_client", "error_description": "No.", "reason": "No.", "message": "No.", "code": 4700}
S2S = {"type": "server_to_server", "account_id": "acc", "client_id": "cid", "client_secret": "a-client-secret"}


@pytest.mark.parametrize("kind", ["zoom", "http"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_answer_to_a_sign_in_is_a_fault(
    server: Server, make_client: Callable[..., Client], kind: str, seed: int
) -> None:
    chance, ends = random.Random(seed), Counter[str]()
    mutator = Mutator(chance)
    own = {"type": "client_credentials", "client_id": "app", "client_secret": "s", "token_url": f"{server.url}/token"}
    for _ in range(60):
        words, status = chance.choice([(TOKEN, 200), (TOKEN, 200), (REFUSAL, 400), (REFUSAL, 401), (REFUSAL, 500)])
        mutation = mutator.mutate(dump(words), chance.choice(list(Judgement)))
        for path in ("/oauth/token", "/token"):
            server.on(path, Reply(mutation.status or status, mutation.body, dict(mutation.headers)))
        server.on("/v2/users", Reply(body={"users": []}))
        server.on("/users", Reply(body={"users": []}))
        client = make_client(kind, auth=S2S if kind == "zoom" else own)
        said = _sign_in(client)
        ends["signed in" if said is None else "refused"] += 1
        assert said != "", mutation
        assert "a fault in Changewire" not in (said or ""), mutation
    assert min(ends["signed in"], ends["refused"]) > 5


def _sign_in(client: Client) -> str | None:
    """What is said of a sign-in that was refused, None of one that was not. Other errors are raised."""
    try:
        client.send(Request("GET", "/users"))
    except ApiError as error:
        return str(error)
    return None
