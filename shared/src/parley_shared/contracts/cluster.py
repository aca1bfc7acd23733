"""Which processes there are: every one of them answers NATS's own question for services (`$SRV.PING`), and `ready`."""

import msgspec

from parley_shared.contracts.base import Wire


class Replica(Wire, frozen=True, kw_only=True):
    """One process. instance: its name, as logs and figures have it. ready: None if it did not say in time. reasons: what is missing."""

    service: str
    instance: str
    version: str
    ready: bool | None = None
    reasons: list[str] = msgspec.field(default_factory=list)
