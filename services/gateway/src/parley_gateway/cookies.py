"""Cookies for browsers: no script can read them, no foreign page can use them, and each is sent to one area only."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from parley_gateway.addresses import is_secure
from parley_gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Cookie:
    """plain_name: without TLS; under TLS it begins with `__Secure-`, and browsers take it from nobody who speaks without."""

    plain_name: str
    path: str

    def name(self, request: Request, settings: Settings) -> str:
        return f"__Secure-{self.plain_name}" if by_tls(request, settings) else self.plain_name

    def read(self, request: Request, settings: Settings) -> str | None:
        return request.cookies.get(self.name(request, settings))

    def give(self, answer: Response, request: Request, settings: Settings, value: str, max_age: int) -> None:
        """max_age: seconds."""
        answer.set_cookie(
            self.name(request, settings),
            value,
            max_age=max_age,
            path=self.path,
            secure=by_tls(request, settings),
            httponly=True,
            samesite="strict",
        )

    def take_back(self, answer: Response, request: Request, settings: Settings) -> None:
        """A browser ignores a `__Secure-` cookie that does not say Secure, also one that takes it back."""
        self.give(answer, request, settings, "", 0)


REFRESH = Cookie("parley_refresh", "/api/v1/auth")
IMAGES = Cookie("parley_media", "/api/v1/media")
"""Carries the access token, for what a page shows by its address: `<img src>` sends no header."""


def by_tls(request: Request, settings: Settings) -> bool:
    """Whether the browser has come by TLS."""
    peer = request.client.host if request.client is not None else ""
    return settings.public_url.startswith("https://") or is_secure(
        request.url.scheme, peer, request.headers, settings.trusted_proxies
    )
