"""What a gateway answers over NATS: clients reach it by HTTP and WebSocket, other gateways ask whether it is well."""

from parley_shared.contracts.base import ready_rpc

READY = ready_rpc("gateway")
