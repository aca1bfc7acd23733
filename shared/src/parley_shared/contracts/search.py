"""What search answers."""

from parley_shared.contracts.base import ready_rpc

READY = ready_rpc("search")
