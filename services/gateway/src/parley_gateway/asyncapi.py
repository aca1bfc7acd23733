"""AsyncAPI 3, generated from the contracts: the frames of the WebSocket, and every subject on NATS."""

from functools import cache
from typing import Any, get_args

import msgspec

from parley_shared.contracts import frames, live
from parley_shared.contracts.base import Rpc, Wire
from parley_shared.contracts.presence import PresenceChanged
from parley_shared.messaging.permissions import contracts

Schemas = dict[type[msgspec.Struct], dict[str, Any]]
"""A reference to each type's schema. Two types of one name have longer names there, so that nobody else may make them up."""


@cache
def asyncapi() -> dict[str, Any]:
    """The document."""
    commands: tuple[type[msgspec.Struct], ...] = get_args(frames.ClientFrame)
    verbs = contracts()
    server_frames = frames.Frame.__subclasses__()
    types: dict[str, type[msgspec.Struct]] = {f"frame_{kind.__name__}": kind for kind in (*commands, *server_frames)}
    payloads: list[type[Wire]] = [live.Heads, live.AccountChanged, live.TypingHint, PresenceChanged, live.Advanced]
    for verb in verbs:
        payloads += [verb.request, verb.reply]
    described = list(dict.fromkeys((*types.values(), *payloads)))
    found, components = msgspec.json.schema_components(described, ref_template="#/components/schemas/{name}")
    schemas: Schemas = dict(zip(described, found, strict=True))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Parley",
            "version": "1",
            "description": "WebSocket frames for clients; NATS subjects for services. Generated from the contracts.",
        },
        "servers": {
            "gateway": {"host": "localhost:8000", "protocol": "ws", "pathname": "/api/v1/ws"},
            "nats": {"host": "localhost:4222", "protocol": "nats"},
        },
        "channels": {
            "socket": {
                "address": "/api/v1/ws",
                "servers": [{"$ref": "#/servers/gateway"}],
                "messages": {name: _message(schemas, kind) for name, kind in types.items()},
            },
            **{_name(verb): _verb_channel(schemas, verb) for verb in verbs},
            "live_events": _subject(
                "parley.live.{kind}.{bucket}.{id}", "Hints: a run of event frames, one a line.", None
            ),
            "live_heads": _subject(
                "parley.live.{kind}.{bucket}.heads", "The newest seqs of a bucket.", _message(schemas, live.Heads)
            ),
            "live_account": _subject(
                "parley.live.account.{bucket}.{id}",
                "A user's tokens were revoked.",
                _message(schemas, live.AccountChanged),
            ),
            "live_presence": _subject(
                "parley.live.presence.{bucket}.{id}",
                "Somebody is seen in another way.",
                _message(schemas, PresenceChanged),
            ),
            "live_typing": _subject(
                "parley.live.typing.{bucket}.{id}", "Somebody types in a room.", _message(schemas, live.TypingHint)
            ),
            "advanced": _subject(
                "parley.evt.messages.v1.advanced.{bucket}",
                "JetStream: a stream has grown.",
                _message(schemas, live.Advanced),
            ),
        },
        "operations": {
            "fromClient": {
                "action": "receive",
                "channel": {"$ref": "#/channels/socket"},
                "messages": [{"$ref": f"#/channels/socket/messages/frame_{kind.__name__}"} for kind in commands],
            },
            "toClient": {
                "action": "send",
                "channel": {"$ref": "#/channels/socket"},
                "messages": [{"$ref": f"#/channels/socket/messages/frame_{kind.__name__}"} for kind in server_frames],
            },
            **{
                f"serve_{_name(verb)}": {
                    "action": "receive",
                    "channel": {"$ref": f"#/channels/{_name(verb)}"},
                    "summary": f"Called by {', '.join(sorted(verb.callers))}; answered within {verb.timeout:g} s.",
                    "messages": [{"$ref": f"#/channels/{_name(verb)}/messages/request"}],
                    "reply": {
                        "channel": {"$ref": f"#/channels/{_name(verb)}"},
                        "messages": [{"$ref": f"#/channels/{_name(verb)}/messages/reply"}],
                    },
                }
                for verb in verbs
            },
        },
        "components": {"schemas": components},
    }


def _name(verb: Rpc[Any, Any]) -> str:
    return f"{verb.owner}_{verb.side}_{verb.verb}"


def _message(schemas: Schemas, kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {
        "contentType": "application/json",
        "summary": (kind.__doc__ or "").strip().split("\n")[0],
        "payload": schemas[kind],
    }


def _verb_channel(schemas: Schemas, verb: Rpc[Any, Any]) -> dict[str, Any]:
    return {
        "address": verb.subject,
        "servers": [{"$ref": "#/servers/nats"}],
        "messages": {"request": _message(schemas, verb.request), "reply": _message(schemas, verb.reply)},
    }


def _subject(address: str, description: str, message: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "address": address,
        "description": description,
        "servers": [{"$ref": "#/servers/nats"}],
        "messages": {"message": message or {"contentType": "application/json"}},
    }
