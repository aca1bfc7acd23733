"""HTTP calls with a token that renews itself."""

import asyncio
import functools
import ssl
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import httpx2
import msgspec

from parley_client.errors import NEEDS_TOKEN, ApiError
from parley_client.tokens import Tokens, TokenStore

EARLY_S = 30.0
"""A token is renewed so long before it expires."""

WAIT_S = 30.0
LONG_WAIT_S = 120.0
"""For an upload: the server answers when it has decoded the image, and others may be before it."""

Shape = TypeVar("Shape")


class Pair(msgspec.Struct):
    """What a sign-in and a refresh answer. expires_in: seconds."""

    access_token: str
    refresh_token: str
    expires_in: float


@functools.cache
def _authorities() -> ssl.SSLContext:
    """Whom TLS trusts, as httpx reads it. Once: that takes 40 ms, and a program may have a thousand clients."""
    return httpx2.create_ssl_context()


class Api:
    """One server, one account. Renewal happens once for all who need it."""

    def __init__(self, base_url: str, store: TokenStore, *, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self._store = store
        self._http = httpx2.AsyncClient(
            base_url=self.base_url, timeout=WAIT_S, transport=transport, verify=_authorities()
        )
        self._renewing = asyncio.Lock()

    async def close(self) -> None:
        await self._http.aclose()

    @property
    def signed_in(self) -> bool:
        """Whether there are tokens; they may be too old to be of use."""
        return self._store.load() is not None

    @property
    def expires_at(self) -> float:
        tokens = self._store.load()
        return 0.0 if tokens is None else tokens.expires_at

    async def login(self, username: str, password: str) -> None:
        """The OAuth2 password form. Raises ApiError: bad_credentials, rate_limited."""
        form = {"username": username, "password": password}
        self._take(await self._http.post("/api/v1/auth/token", data=form))

    async def logout(self) -> None:
        """End the session at the server, and forget the tokens."""
        tokens = self._store.load()
        if tokens is not None:
            await self.call("POST", "/auth/logout", json={"refresh_token": tokens.refresh_token}, signed=False)
        self._store.save(None)

    async def token(self, *, fresh: bool = False, instead_of: str | None = None) -> str:
        """An access token that still lives; `fresh` demands a new one, `instead_of` any other than that.

        Raises ApiError if there is no way to one.
        """
        tokens = self._store.load()
        if tokens is None:
            raise ApiError("unauthenticated", "Sign in first.", status=401)
        fresh = fresh or tokens.access_token == instead_of
        if not fresh and tokens.expires_at - EARLY_S > time.time():
            return tokens.access_token
        async with self._renewing:
            now = self._store.load()
            if now is None:
                raise ApiError("unauthenticated", "Sign in first.", status=401)
            if now.access_token == tokens.access_token:
                self._take(await self._http.post("/api/v1/auth/refresh", json={"refresh_token": now.refresh_token}))
                now = self._store.load()
            return "" if now is None else now.access_token

    async def call(
        self,
        method: str,
        path: str,
        *,
        shape: type[Shape] | None = None,
        json: Any = None,  # Any: whatever JSON holds
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        signed: bool = True,
        wait_s: float = WAIT_S,
    ) -> Shape:
        """The answer as `shape` (None for no content). wait_s: seconds that it may take. What is refused for its token is tried once more with a new one.

        Raises ApiError; httpx2.HTTPError if the server cannot be reached.
        """
        query = {name: value for name, value in (params or {}).items() if value is not None}
        answer = await self._request(method, path, json, query, headers, wait_s, signed=signed, fresh=False)
        if signed and answer.status_code == 401 and _code(answer) in NEEDS_TOKEN:
            answer = await self._request(method, path, json, query, headers, wait_s, signed=True, fresh=True)
        content = self._checked(answer)
        if shape is None or not content:
            return None  # type: ignore[return-value]  # the caller asked for nothing
        return self._decoded(answer, shape)

    async def _request(
        self,
        method: str,
        path: str,
        json: Any,
        query: Mapping[str, Any],
        headers: Mapping[str, str] | None,
        wait_s: float,
        *,
        signed: bool,
        fresh: bool,
    ) -> httpx2.Response:
        sent = dict(headers or {})
        if signed:
            sent["Authorization"] = f"Bearer {await self.token(fresh=fresh)}"
        timeout = httpx2.Timeout(WAIT_S, read=wait_s)
        return await self._http.request(
            method, f"/api/v1{path}", json=json, params=query, headers=sent, timeout=timeout
        )

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: Callable[[], AsyncIterable[bytes]] | None = None,
        wait_s: float = WAIT_S,
    ) -> AsyncIterator[httpx2.Response]:
        """An answer whose body is still to be read.

        content: makes the body that is sent, again if a new token is needed. wait_s: seconds that the answer may take.

        Raises as `call` does.
        """
        async with AsyncExitStack() as stack:

            async def ask(fresh: bool) -> httpx2.Response:
                answer = await stack.enter_async_context(
                    self._http.stream(
                        method,
                        f"/api/v1{path}",
                        headers={**(headers or {}), "Authorization": f"Bearer {await self.token(fresh=fresh)}"},
                        content=None if content is None else content(),
                        timeout=httpx2.Timeout(WAIT_S, read=wait_s),
                    )
                )
                if answer.status_code >= 400:
                    await answer.aread()
                return answer

            answer = await ask(False)
            if answer.status_code == 401 and _code(answer) in NEEDS_TOKEN:
                answer = await ask(True)
            if answer.status_code >= 400:
                self._checked(answer)
            yield answer

    async def lines(self, path: str) -> AsyncIterator[bytes]:
        """The lines of a file that the server streams, without their ends. Raises as `call` does, also in the middle."""
        async with self.stream("GET", path) as answer:
            rest = b""
            async for piece in answer.aiter_bytes():
                *whole, rest = (rest + piece).split(b"\n")
                for line in whole:
                    yield line

    async def send_file(
        self, path: str, headers: Mapping[str, str], content: Callable[[], AsyncIterable[bytes]], shape: type[Shape]
    ) -> Shape:
        """POST a body that is made while it is sent. Raises as `call` does."""
        async with self.stream("POST", path, headers=headers, content=content, wait_s=LONG_WAIT_S) as answer:
            await answer.aread()
            return self._decoded(answer, shape)

    async def get_plain(self, path: str) -> httpx2.Response:
        """Outside /api/v1, unchecked: readiness and keys."""
        return await self._http.get(path)

    def _take(self, answer: httpx2.Response) -> None:
        self._checked(answer)
        found = self._decoded(answer, Pair)
        self._store.save(
            Tokens(
                access_token=found.access_token,
                refresh_token=found.refresh_token,
                expires_at=time.time() + found.expires_in,
            )
        )

    def _decoded(self, answer: httpx2.Response, shape: type[Shape]) -> Shape:
        try:
            return msgspec.json.decode(answer.content, type=shape)
        except msgspec.MsgspecError:
            raise _not_parley(answer) from None

    def _checked(self, answer: httpx2.Response) -> bytes:
        if answer.status_code < 400:
            return answer.content
        code = _code(answer)
        if code is None:
            raise _not_parley(answer)
        problem = answer.json()
        raise ApiError(
            code,
            problem.get("detail", code),
            status=answer.status_code,
            retry_after_ms=problem.get("retry_after_ms"),
            errors=problem.get("errors"),
            request_id=problem.get("request_id"),
            current=problem.get("current"),
        )


def _not_parley(answer: httpx2.Response) -> ApiError:
    said = f"{answer.url.host} answered {answer.status_code}, and not as Parley does."
    return ApiError("not_parley", said, status=answer.status_code)


def _code(answer: httpx2.Response) -> str | None:
    """Of a problem document (RFC 9457) as Parley writes it; None for anything else."""
    try:
        return str(answer.json()["code"])
    except (ValueError, KeyError, TypeError):
        return None
