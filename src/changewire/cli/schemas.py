"""JSON Schemas: of the files that people write, for their editors, and of what `--json` prints."""

from __future__ import annotations

from typing import Any

import click

from changewire.cli.base import Command, Options
from changewire.cli.type_schemas import actions_schema, or_as, trigger_schema
from changewire.values import Json

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_KEYWORDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
_PLACEHOLDER = {"type": "string", "pattern": r"\$\{|\{\{"}


FILES = ("workflow", "connections", "settings", "trigger", "actions")
NAMES = (*FILES, "event", "run", "status", "problem")


@click.command(
    cls=Command,
    short_help="Print the JSON Schema of a file, or of what --json prints.",
    examples=[
        ("changewire schema workflow > workflow.schema.json", "for an editor that checks and completes YAML"),
        ("changewire schema event", "the form of a line of `events --json`"),
    ],
)
@click.argument("name", type=click.Choice(NAMES), metavar="NAME")
@click.pass_obj
def schema(options: Options, name: str) -> int:
    """Print the JSON Schema of a file that you write (workflow, connections, settings; trigger, a trigger type;
    actions, a file of action types), or of a line that --json prints (event, run, status, problem).

    Editors with a YAML language server take it from the first line of a file: # yaml-language-server: $schema=PATH
    """
    from changewire.texts import to_json

    click.echo(to_json(schema_of(name), indent=None if options.json else 2))
    return 0


def schema_of(name: str) -> dict[str, Json]:
    """The schema of that name."""
    if name not in FILES:
        from changewire.cli.forms import FORMS

        return {"$schema": DIALECT, **FORMS[name].model_json_schema()}
    return {"$schema": DIALECT, **_in_writing(_file_schema(name))}


def _file_schema(name: str) -> dict[str, Any]:
    from changewire.config.connections import ConnectionEntry
    from changewire.config.settings import Settings
    from changewire.config.workflows import Workflow

    if name in ("trigger", "actions"):
        return trigger_schema() if name == "trigger" else actions_schema()
    if name == "settings":
        return Settings.model_json_schema()
    if name == "workflow":
        return _as_written(Workflow.model_json_schema())
    found = ConnectionEntry.model_json_schema()
    rules = found["properties"]["error_when"]
    one = rules["items"]
    rules |= {"anyOf": [{"type": "string"}, one, {"type": "array", "items": {"anyOf": [{"type": "string"}, one]}}]}
    del rules["type"], rules["items"]
    definitions = found.pop("$defs")
    for one in definitions.values():
        scopes = one["properties"].get("scopes")
        if scopes is not None:
            one["properties"]["scopes"] = {"anyOf": [scopes, {"type": "string"}]}
    title = {"title": "Connections", "description": "The accounts that triggers and actions work with, by name."}
    return {"$defs": definitions, "type": "object", **title, "additionalProperties": found}


def _as_written(schema: dict[str, Any]) -> dict[str, Any]:
    """The forms that a workflow may be written in, beside the one that it is read into."""
    schema["required"] = [key for key in schema["required"] if key != "name"]
    triggers = schema["properties"]["trigger"]
    schema["properties"]["trigger"] = {"anyOf": [triggers["items"], triggers]}
    known = schema["$defs"]
    backfill = {name: one for name, one in known["FirstPoll"]["properties"].items() if name != "mode"}
    asked = {"type": ["object", "null"], "additionalProperties": False, "properties": backfill}
    short = {
        "type": "object",
        "additionalProperties": False,
        "required": ["backfill"],
        "properties": {"backfill": asked},
    }
    or_as(known["TriggerConfig"]["properties"], "first_poll", {"enum": ["baseline", "backfill"]}, short)
    or_as(known["Stop"]["properties"], "stop", {"type": ["string", "null"]})
    return schema


def _in_writing(part: Any) -> Any:
    """A schema with the usual keywords, in which a variable or an expression may stand for any plain value."""
    if isinstance(part, list):
        return [_in_writing(one) for one in part]
    if not isinstance(part, dict):
        return part
    made = {_KEYWORDS.get(key, key): _in_writing(value) for key, value in part.items()}
    if made.get("format") == "duration":
        from changewire.config.fields import DURATION_SCHEMA

        return {key: value for key, value in made.items() if key != "format"} | DURATION_SCHEMA
    if made.get("type") in ("integer", "number", "boolean"):
        notes = {key: made.pop(key) for key in ("title", "description", "default") if key in made}
        return {"anyOf": [made, _PLACEHOLDER], **notes}
    return made
