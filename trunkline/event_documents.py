"""The event catalogue written down: the webhooks of the OpenAPI document, an AsyncAPI document, a page for people."""

import json
from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from webhooks.catalogue import Catalogue, Event, EventType, Hearer

_REF: Final = "#/components/schemas/{model}"

_WHO: Final = {
    Hearer.CARRIER: "a carrier",
    Hearer.OWNER: "an owner or a system linked to one",
    Hearer.CENTER: "a contact center",
}
_TELLING: Final = ("delivery.asked", "delivery.opened")
"""Of the page's examples, those that say most."""

_HEADERS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "webhook-id": (
        "The event's id, the same at every try: put away what you have seen.",
        {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
    ),
    "webhook-timestamp": (
        "When this try was signed, in seconds since 1970; refuse what is more than five minutes off.",
        {"type": "string", "pattern": "^[0-9]{10}$"},
    ),
    "webhook-signature": (
        "Signatures over `id.timestamp.body`, divided by blanks, each `v1,` (HMAC-SHA256) or `v1a,` (Ed25519) "
        "and base64. One that holds is enough: while a secret is exchanged there are two.",
        {"type": "string"},
    ),
}

_ANSWERS: Final = {
    "2XX": {"description": "Taken. What the body says does not matter."},
    "410": {"description": "Gone: nothing is sent to this address any more."},
    "default": {"description": "It is tried again; `Retry-After` is kept to."},
}


def describe_webhooks(app: FastAPI, catalogue: Catalogue) -> None:
    """Put the catalogue into the application's OpenAPI document as ``webhooks``."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()  # made once and kept by the application
        if "webhooks" not in document:
            known = document["components"]["schemas"]
            for name, schema in _schemas(catalogue).items():
                if known.setdefault(name, schema) != schema:
                    raise ValueError(f"two schemas are called {name}")
            document["webhooks"] = {one.name: {"post": _operation(catalogue, one)} for one in catalogue}
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # how FastAPI lets its document be extended


def _schemas(catalogue: Catalogue) -> dict[str, Any]:
    wanted = [
        (catalogue.model(one.name, hearer), "serialization") for one in catalogue for hearer in one.heard
    ]
    _, schemas = models_json_schema(wanted, ref_template=_REF)  # type: ignore[arg-type]  # a literal of two
    return {name: _as_fastapi(schema) for name, schema in schemas["$defs"].items()}


def _as_fastapi(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """FastAPI leaves out defaults that are null; a schema that both describe must be one."""
    if isinstance(schema, dict):
        return {
            name: _as_fastapi(part)
            for name, part in schema.items()
            if not (name == "default" and part is None)
        }
    return [_as_fastapi(part) for part in schema] if isinstance(schema, list) else schema


def _operation(catalogue: Catalogue, one: EventType) -> dict[str, Any]:
    models = [_ref(catalogue, one, hearer) for hearer in one.heard]
    examples = {
        hearer.value: {"summary": f"As {_who(hearer)} hears it", "value": catalogue.example(one.name, hearer)}
        for hearer in one.heard
    }
    return {
        "operationId": f"hear_{one.name.replace('.', '_')}",
        "summary": one.name,
        "description": f"{one.says} Heard by: {', '.join(_who(hearer) for hearer in one.heard)}.",
        "tags": ["webhooks"],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": says, "schema": schema}
            for name, (says, schema) in _HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": models[0] if len(models) == 1 else {"anyOf": models},
                    "examples": examples,
                }
            },
        },
        "responses": _ANSWERS,
    }


def _ref(catalogue: Catalogue, one: EventType, hearer: Hearer) -> dict[str, str]:
    return {"$ref": _REF.format(model=catalogue.model(one.name, hearer).__name__)}


def _who(hearer: Hearer) -> str:
    return _WHO[hearer]


def asyncapi(catalogue: Catalogue) -> dict[str, Any]:
    """The same as AsyncAPI 3: a subscriber's stream over server-sent events, and webhooks to its own address."""
    messages: dict[str, Any] = {}
    for one in catalogue:
        for hearer in one.heard:
            model = catalogue.model(one.name, hearer).__name__
            messages[model] = {
                "name": one.name,
                "summary": f"{one.says} As {_who(hearer)} hears it.",
                "contentType": "application/json",
                "payload": {"$ref": _REF.format(model=model)},
                "examples": [{"name": hearer.value, "payload": catalogue.example(one.name, hearer)}],
            }
    every = {name: {"$ref": f"#/components/messages/{name}"} for name in messages}
    signed = {
        name: {**message, "headers": {"$ref": "#/components/schemas/WebhookHeaders"}}
        for name, message in messages.items()
    }
    headers = {
        "type": "object",
        "required": list(_HEADERS),
        "properties": {name: {**schema, "description": says} for name, (says, schema) in _HEADERS.items()},
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Trunkline events",
            "version": "1",
            "description": "What carriers, owners and linked systems hear. Both ways tell the same, under the same ids.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "stream": {
                "address": "/v1/events/stream",
                "description": "Server-sent events: `data` is the event, `id` the cursor for `Last-Event-ID`.",
                "messages": every,
            },
            "webhook": {
                "address": None,
                "description": "A POST to each address of a subscriber, signed as Standard Webhooks says.",
                "messages": {name: {"$ref": f"#/components/messages/{name}Webhook"} for name in messages},
            },
        },
        "operations": {
            "tellStream": {"action": "send", "channel": {"$ref": "#/channels/stream"}},
            "tellWebhook": {"action": "send", "channel": {"$ref": "#/channels/webhook"}},
        },
        "components": {
            "messages": {**messages, **{f"{name}Webhook": one for name, one in signed.items()}},
            "schemas": {**_schemas(catalogue), "WebhookHeaders": headers},
        },
    }


def page(catalogue: Catalogue) -> str:
    """The catalogue as a page."""
    lines = [
        "# Events", "",
        "Each is told as a signed webhook to every address that wants it and stands in the subscriber's stream "
        "(`GET /v1/events`, `GET /v1/events/stream`), with the same body and the same id. An owner's systems hear "
        "what the owner hears; a contact center hears by webhook alone. "
        "JSON Schema and an example of each type: `GET /v1/event-types/{type}`.", "",
        "| type | when | carrier | owner | center | since |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for one in catalogue:
        marks = " | ".join("yes" if hearer in one.heard else "-" for hearer in Hearer)
        lines.append(f"| `{one.name}` | {one.says} | {marks} | {one.since} |")
    lines += ["", "## Every event", "", *_members(Event), "| `data` | what the table of its model says |", ""]
    for hearer in Hearer:
        models: dict[type[BaseModel], list[str]] = {}
        for one in catalogue:
            if hearer in one.heard:
                models.setdefault(one.heard[hearer].data, []).append(one.name)
        for model, names in models.items():
            lines += [f"## `data` for {_who(hearer)}: {names[0].partition('.')[0]}.{_rest(names)}", ""]
            lines += [(model.__doc__ or "").partition("\n")[0], "", *_members(model), ""]
            telling = next((one for one in _TELLING if one in names), names[0])
            example = catalogue.example(telling, hearer)
            lines += ["```json", json.dumps(example, indent=1, ensure_ascii=False), "```", ""]
    return "\n".join(lines)


def _rest(names: list[str]) -> str:
    return "*" if len(names) > 1 else names[0].partition(".")[2]


def _members(model: type[BaseModel]) -> list[str]:
    schema = model.model_json_schema(mode="serialization")
    rows = ["| member | what |", "|---|---|"]
    for name, about in schema["properties"].items():
        rows.append(
            f"| `{name}` | {_kind(about)}{'. ' + about['description'] if 'description' in about else ''} |"
        )
    return rows


def _kind(about: dict[str, Any]) -> str:
    if "$ref" in about:
        return str(about["$ref"].rpartition("/")[2])
    if "anyOf" in about:
        return " or ".join(_kind(each) for each in about["anyOf"])
    if "const" in about:
        return f"always `{about['const']}`"
    if about.get("type") == "array":
        return f"list of {_kind(about.get('items', {}))}"
    said = str(about.get("format") or about.get("type") or "value")
    return {"date-time": "time, RFC 3339", "null": "null"}.get(said, said)
