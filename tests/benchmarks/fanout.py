"""The yardstick of the fan-out: FastAPI on uvicorn, `await send_text` in a loop over all sockets, and nothing else.

No database, no broker, no tokens: only what it costs to hand one text to many sockets as the framework's own tutorial does.
It is given every advantage: no compression, no validation, the text made once per message, of the size that the suite sends.
"""

import json
import sys

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect


def make_app(event_bytes: int) -> FastAPI:
    """One room, in which is whoever connects. event_bytes: the size of what each member gets per message."""
    app = FastAPI(openapi_url=None)
    members: list[WebSocket] = []
    bare = len(json.dumps({"type": "event", "event": {"kind": "message.created", "body": ""}}, separators=(",", ":")))
    body = "x" * max(0, event_bytes - bare)

    @app.websocket("/ws")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text('{"type":"hello"}')
        await socket.receive_text()
        members.append(socket)
        await socket.send_text('{"type":"live"}')
        try:
            while True:
                frame = json.loads(await socket.receive_text())
                event = {"type": "event", "event": {"kind": "message.created", "body": body}}
                text = json.dumps(event, separators=(",", ":"))
                for member in members.copy():  # it changes while we await
                    await member.send_text(text)
                await socket.send_text(f'{{"type":"ack","id":{frame["id"]}}}')
        except WebSocketDisconnect:
            pass
        finally:
            members.remove(socket)

    return app


def main() -> None:
    """`python -m tests.benchmarks.fanout PORT EVENT_BYTES`"""
    port, event_bytes = map(int, sys.argv[1:])
    uvicorn.run(
        make_app(event_bytes),
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        log_level="warning",
        backlog=4096,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
