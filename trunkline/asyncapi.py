"""The vehicle protocol as an AsyncAPI 3 document, made from ``vehicle_gateway.wire``."""

from typing import Any

from pydantic import BaseModel

from vehicle_gateway import wire

_UP: dict[str, tuple[type[BaseModel], str]] = {
    "up/state": (wire.State, "Presence, retained; the will says offline."),
    "up/sig": (wire.Signals, "Changed signals by COVESA VSS v6 name."),
    "up/evt/receipt": (wire.ReceiptEvent, "One signed receipt."),
    "up/res": (wire.Result, "What became of a command."),
    "up/req/{name}": (wire.Ask, "The unit asks."),
}
_DOWN: dict[str, tuple[type[BaseModel], str]] = {
    "dn/cmd": (wire.Command, "One signed command."),
    "dn/trust": (wire.Trust, "The trust bundle in force, retained: whom the unit believes."),
    "dn/ack": (wire.Ack, "Durably accepted sequence numbers."),
    "dn/err": (wire.Err, "A message that was refused."),
}


def document() -> dict[str, Any]:
    """Channels, operations (seen from the unit) and schemas."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    schemas: dict[str, Any] = {"Envelope": wire.Envelope.model_json_schema()}
    for name, (model, says) in {**_UP, **_DOWN}.items():
        slug = name.replace("/", "_").replace("{", "").replace("}", "")
        schemas[model.__name__] = model.model_json_schema()
        channels[slug] = {
            "address": "tl/1/{shard}/{unit}/" + name,
            "description": says,
            "parameters": {"shard": {"description": "Two hex digits."}, "unit": {"description": "Unit id."}},
            "messages": {
                model.__name__: {
                    "contentType": "application/json",
                    "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
                }
            },
        }
        operations[slug] = {
            "action": "send" if name.startswith("up") else "receive",
            "channel": {"$ref": f"#/channels/{slug}"},
        }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Trunkline vehicle protocol", "version": "1"},
        "channels": channels,
        "operations": operations,
        "components": {"schemas": schemas},
    }
