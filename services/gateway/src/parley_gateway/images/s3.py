"""S3, by addresses that media has signed: the gateway has no key to it, and sees nothing there but sealed bytes.

Whoever waits for an S3 that hangs is told so within five seconds; whoever waits for one that is busy (fifty uploads at once) is not
sent away. So when nothing has moved for a second, S3 is asked something that costs it nothing: while it answers, it is busy.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Coroutine, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

import httpx2
import structlog
from opentelemetry.trace import SpanKind

from parley_shared.errors import Refused, unavailable
from parley_shared.metrics import s3_time
from parley_shared.telemetry import inner

log = structlog.get_logger(__name__)

CONNECT_S = 2.0
SILENT_S = 1.0
"""After so long without a move S3 is asked whether it lives."""
ANSWER_S = 3.0
"""How long that may take."""
PATIENCE_S = 30.0
"""However lively it is: nothing may stand still for longer."""
TICK_S = 0.25

_Given = TypeVar("_Given")


class S3:
    """Never logs an address: its signature is a key to the object. trust: whose certificates are good; None: the machine's."""

    def __init__(self, trust: ssl.SSLContext | None = None) -> None:
        self._http = httpx2.AsyncClient(
            verify=trust or True,
            timeout=httpx2.Timeout(PATIENCE_S, connect=CONNECT_S, pool=None),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=32),
        )
        self._asking: asyncio.Task[bool] | None = None

    async def put(self, url: str, headers: Mapping[str, str], content: AsyncIterable[bytes]) -> None:
        """Write an object, as fast as `content` comes; what that raises ends the writing, and is raised.

        Raises Refused: UNAVAILABLE.
        """
        wait = _Wait()
        with inner("s3 put", SpanKind.CLIENT), s3_time("put"):
            answer = await self._patiently(
                "put", url, self._http.put(url, headers=headers, content=wait.around(content)), wait
            )
            if not answer.is_success:
                raise _away("put", str(answer.status_code))

    async def get(self, url: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """An object's bytes from start up to stop, in the pieces in which they come; fewer, if it ends before.

        Raises Refused: UNAVAILABLE, also in the middle.
        """
        headers = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
        asked = self._http.build_request("GET", url, headers=headers)
        # What comes then is paced by who reads it.
        with inner("s3 get", SpanKind.CLIENT), s3_time("get"):
            answer = await self._patiently("get", url, self._http.send(asked, stream=True), _Wait())
        async with aclosing(answer):
            # 200 is from a server that knows no ranges; then the whole object comes.
            if answer.status_code != 206 and not (answer.status_code == 200 and start == 0):
                raise _away("get", str(answer.status_code))
            left = stop - start
            pieces = answer.aiter_raw()
            while left > 0:
                piece = await self._patiently("get", url, anext(pieces, b""), _Wait())
                if not piece:
                    break
                yield piece[:left]
                left -= len(piece)

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
        await self._http.aclose()

    async def _patiently(self, verb: str, url: str, work: Coroutine[Any, Any, _Given], wait: "_Wait") -> _Given:
        """What S3 gives. Raises Refused: UNAVAILABLE if it does not, hangs, or keeps this one waiting for too long."""
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait((task,), timeout=TICK_S)
                if wait.seconds < SILENT_S or task.done():
                    continue
                hopeless = wait.seconds > PATIENCE_S or not await self._answers(url)
                if hopeless and not task.done():
                    raise _away(verb, "silence")
            return task.result()
        except httpx2.HTTPError as error:
            raise _away(verb, type(error).__name__) from None
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _answers(self, url: str) -> bool:
        """Whether it answers anything, be it a refusal; asked once for all who want to know."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(url))
        return await asyncio.shield(self._asking)

    async def _ask(self, url: str) -> bool:
        try:
            await self._http.head(httpx2.URL(url).copy_with(path="/", query=None), timeout=ANSWER_S)
        except httpx2.HTTPError:
            return False
        return True


class _Wait:
    """How long S3 has been waited for, and nobody else."""

    def __init__(self) -> None:
        self._since: float | None = time.monotonic()

    @property
    def seconds(self) -> float:
        return 0.0 if self._since is None else time.monotonic() - self._since

    async def around(self, content: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """The same content. While it is waited for, S3 is not; and it has moved when it wants the next piece."""
        self._since = None
        async for piece in content:
            self._since = time.monotonic()
            yield piece
            self._since = None
        self._since = time.monotonic()


def _away(verb: str, found: str) -> Refused:
    log.warning("s3.away", operation=verb, error=found)
    return unavailable("Images cannot be reached at the moment; try again.")
