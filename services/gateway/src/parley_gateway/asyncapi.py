"""AsyncAPI 3, generated from the contracts: the frames of the WebSocket, and every subject on NATS."""

from functools import cache
from typing import Any, get_args

import msgspec

from parley_shared.contracts import frames, live
from parley_shared.contracts.base import Rpc, Wire
from parley_shared.messaging.permissions import contracts

_SERVER_FRAMES: tuple[type[frames.Frame], ...] = (
    frames.Hello, frames.Ready, frames.Live, frames.SendAck, frames.Ack, frames.Error, frames.Event, frames.Receipt,
    frames.PingFrame, frames.PongFrame, frames.Reconnect,
)  # fmt: skip


@cache
def asyncapi() -> dict[str, Any]:
    """The document."""
    commands: tuple[type[msgspec.Struct], ...] = get_args(frames.ClientFrame)
    verbs = contracts()
    types: dict[str, type[msgspec.Struct]] = {f"frame_{kind.__name__}": kind for kind in (*commands, *_SERVER_FRAMES)}
    payloads: list[type[Wire]] = [live.Heads, live.AccountChanged, live.Advanced]
    for verb in verbs:
        payloads += [verb.request, verb.reply]
    _, components = msgspec.json.schema_components(
        [*types.values(), *payloads], ref_template="#/components/schemas/{name}"
    )
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
                "messages": {name: _message(kind) for name, kind in types.items()},
            },
            **{_name(verb): _verb_channel(verb) for verb in verbs},
            "live_events": _subject(
                "parley.live.{kind}.{bucket}.{id}", "Hints: a run of event frames, one a line.", None
            ),
            "live_heads": _subject("parley.live.{kind}.{bucket}.heads", "The newest seqs of a bucket.", live.Heads),
            "live_account": _subject(
                "parley.live.account.{bucket}.{id}", "A user's tokens were revoked.", live.AccountChanged
            ),
            "advanced": _subject(
                "parley.evt.messages.v1.advanced.{bucket}", "JetStream: a stream has grown.", live.Advanced
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
                "messages": [{"$ref": f"#/channels/socket/messages/frame_{kind.__name__}"} for kind in _SERVER_FRAMES],
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


def _message(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {
        "contentType": "application/json",
        "summary": (kind.__doc__ or "").strip().split("\n")[0],
        "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
    }


def _verb_channel(verb: Rpc[Any, Any]) -> dict[str, Any]:
    return {
        "address": verb.subject,
        "servers": [{"$ref": "#/servers/nats"}],
        "messages": {"request": _message(verb.request), "reply": _message(verb.reply)},
    }


def _subject(address: str, description: str, payload: type[Wire] | None) -> dict[str, Any]:
    message = {"contentType": "application/json"} if payload is None else _message(payload)
    return {
        "address": address,
        "description": description,
        "servers": [{"$ref": "#/servers/nats"}],
        "messages": {"message": message},
    }
