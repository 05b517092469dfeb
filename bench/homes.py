"""Homes to measure with: as many triggers as wanted, in as many workflows."""

from __future__ import annotations

from pathlib import Path

_CONNECTIONS = "bench: {{connector: http, base_url: {base_url}, auth: {{type: none}}}}\n"
_TYPES = (
    "type: http.document_changed, every: {every}, with: {{path: /{name}}}",
    "type: http.new_item, every: {every}, with: {{path: /{name}, items: orders}}",
)
_STEPS = """steps:
  - use: core.log
    with: {{message: "{name} saw {{{{ event.event_type }}}} {{{{ event.key }}}} in {{{{ run.id }}}}"}}
"""


def make_home(home: Path, workflows: int, triggers: int, every: str) -> None:
    """A home with so many ``workflows`` of so many ``triggers`` each, half of either type."""
    folder = home / "config" / "workflows"
    folder.mkdir(parents=True)
    for number in range(workflows):
        name = f"w{number:05d}"
        lines = [
            f"  - {{name: t{each}, {_TYPES[(number + each) % 2].format(every=every, name=f'{name}-{each}')}}}\n"
            for each in range(triggers)
        ]
        text = f"name: {name}\ntrigger:\n{''.join(lines)}{_STEPS.format(name=name)}"
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


def serve(home: Path, *, at_all: bool) -> None:
    """Have the home's daemon answer by HTTP about itself, or not."""
    text = 'serve: {listen: "127.0.0.1:0"}\n' if at_all else ""
    (home / "config" / "changewire.yaml").write_text(text, encoding="utf-8")


def point(home: Path, base_url: str) -> None:
    """Have the home's connection lead to ``base_url``."""
    path = home / "config" / "connections.yaml"
    path.write_text(_CONNECTIONS.format(base_url=base_url), encoding="utf-8")
