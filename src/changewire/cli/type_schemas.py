"""JSON Schemas of type files, in all the short forms that they may be written in."""

from __future__ import annotations

from typing import Any

_TEMPLATE = {"type": "string", "pattern": r"\{\{"}
_TEXTS = {"type": "array", "items": {"type": "string"}, "minItems": 1}
_KEY = ({"type": "string", "minLength": 1}, _TEXTS)


def actions_schema() -> dict[str, Any]:
    """One file below ``actions/``."""
    from changewire.actions.definition import ActionFile

    schema = ActionFile.model_json_schema()
    entry = schema["$defs"]["ActionSpec"]["properties"]["parameters"]
    entry["additionalProperties"] = {"anyOf": [entry["additionalProperties"], {"type": "null"}]}
    return schema


def trigger_schema() -> dict[str, Any]:
    """One file below ``triggers/``."""
    from changewire.triggers.definition import KINDS, SHAPE, TriggerType

    schema = TriggerType.model_json_schema()
    known, own = schema["$defs"], schema["properties"]
    del own["shape"]  # worked out, not written
    for name in ("RequestSpec", "Lookup", "Detail", "Evidence"):  # an operation knows its path
        known[name]["required"] = [key for key in known[name].get("required", ()) if key != "path"]
    schema["required"] = [key for key in schema["required"] if key not in ("key", "kind")]  # `source` says them
    or_as(own, "kind", {"enum": list(KINDS)})
    or_as(own, "key", *_KEY)
    or_as(known["Records"]["properties"], "key", *_KEY)
    or_as(known["Lookup"]["properties"], "records", {"type": "object"})
    volatile = known["Compare"]["properties"]["volatile"]
    volatile["items"] = {"anyOf": [volatile["items"], {"type": "string"}]}
    parameters = own["parameters"]
    parameters["additionalProperties"] = {"anyOf": [parameters["additionalProperties"], {"type": "null"}]}
    own["type"] = {"type": "string", "pattern": r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$"}
    for name in SHAPE:
        or_as(own, name, _TEMPLATE)
    for name in known["Compare"]["properties"]:
        or_as(known["Compare"]["properties"], name, _TEMPLATE)
    return schema


def or_as(properties: dict[str, Any], name: str, *forms: dict[str, Any]) -> None:
    """A field may be written in one of ``forms`` as well."""
    notes = {key: properties[name].pop(key) for key in ("title", "default", "description") if key in properties[name]}
    properties[name] = {"anyOf": [properties[name], *forms], **notes}
