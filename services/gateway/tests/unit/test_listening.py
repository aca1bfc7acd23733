"""The one port that clients come to."""

import socket

import pytest
from fastapi import FastAPI

from parley_gateway.app import make_server
from parley_gateway.settings import Settings


async def test_a_port_that_cannot_be_had_is_an_error_and_not_the_end_of_the_loop() -> None:
    """uvicorn would leave the loop with all that is open, and the log would tell of what broke by that."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        server = make_server(FastAPI(), Settings(host="127.0.0.1", port=port, secure_cookies=False))
        with pytest.raises(OSError, match=f"127.0.0.1:{port} cannot be served"):
            await server.serve()
