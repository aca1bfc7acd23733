"""Which processes there are: every one of them answers NATS's own question for services (`$SRV.PING`)."""

from parley_shared.contracts.base import Wire


class Replica(Wire, frozen=True, kw_only=True):
    """One process. instance: its name, as logs and figures have it."""

    service: str
    instance: str
    version: str
