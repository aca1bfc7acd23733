"""What each service's NATS user may publish and subscribe to, derived from the contracts."""

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from parley_shared import contracts as package
from parley_shared.contracts.base import Rpc, Service

EVENT_STREAM = "PARLEY_MESSAGES"
"""The JetStream stream of messages' thin outbox rows."""

_LIVE_PUBLISHERS: dict[str, tuple[Service, ...]] = {
    "room": ("messages",),
    "user": ("messages",),
    "account": ("auth",),
    "presence": ("presence",),
    "typing": ("gateway",),
    "journey": ("gateway",),
}
_EVENT_OWNERS: tuple[Service, ...] = ("messages",)
_EVENT_READERS: tuple[Service, ...] = ("search",)
"""Each with a durable consumer of its own name."""


def contracts() -> list[Rpc[Any, Any]]:
    """Every verb of every owner, sorted by subject."""
    found: dict[str, Rpc[Any, Any]] = {}  # Any: verbs of all types together
    for module in iter_modules(package.__path__):
        for value in vars(import_module(f"{package.__name__}.{module.name}")).values():
            if isinstance(value, Rpc):
                found[value.subject] = value
    return [found[subject] for subject in sorted(found)]


def permissions(service: Service) -> dict[str, Any]:
    """The `permissions` block of a nats-server user, as the server's configuration spells it."""
    publish = [rpc.subject for rpc in contracts() if service in rpc.callers]
    subscribe = [f"_INBOX_{service}.>", "$SRV.>", f"parley.rpc.{service}.>"]
    if service == "gateway":
        # Who is there, asked on an admin's behalf.
        publish.append("$SRV.PING")
    for kind, owners in _LIVE_PUBLISHERS.items():
        if service in owners:
            publish.append(f"parley.live.{kind}.>")
        if service == "gateway":
            subscribe.append(f"parley.live.{kind}.>")
    if service in _EVENT_OWNERS:
        publish += [
            f"parley.evt.{service}.>",
            "$JS.API.INFO",
            f"$JS.API.STREAM.INFO.{EVENT_STREAM}",
            f"$JS.API.STREAM.CREATE.{EVENT_STREAM}",
            f"$JS.API.STREAM.UPDATE.{EVENT_STREAM}",
        ]
    if service in _EVENT_READERS:
        publish += [
            f"$JS.API.CONSUMER.INFO.{EVENT_STREAM}.{service}",
            f"$JS.API.CONSUMER.CREATE.{EVENT_STREAM}.{service}",
            f"$JS.API.CONSUMER.MSG.NEXT.{EVENT_STREAM}.{service}",
            f"$JS.ACK.{EVENT_STREAM}.{service}.>",
        ]
    return {"publish": publish, "subscribe": subscribe, "allow_responses": True}
