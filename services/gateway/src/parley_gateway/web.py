"""The web client: its build, served as it is, under a policy that lets nothing in but itself.

A build is read whole when the gateway starts. What is served is thereby one build, also while another one is being written to the
same folder; and an address is looked up in a table, so that none leads out of the folder.
"""

import hashlib
import mimetypes
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from parley_gateway import pages

log = structlog.get_logger(__name__)

INDEX: Final = "/index.html"
AREAS: Final = frozenset(
    {"admin", "notifications", "register", "reset", "rooms", "search", "settings", "setup", "signin"}
)
"""The first parts of the addresses that the client knows; web/src/lib/router.ts has the rest of them."""
HASHED: Final = "/assets/"
"""Beneath it a file's name changes with its content."""
ENCODINGS: Final = {"br": ".br", "gzip": ".gz"}
"""What the build has compressed, the best first."""
PLAIN: Final = {"/": "index.html", "/setup": "setup.html"}
"""The gateway's own pages, where there is no build."""

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        # blob: is what has been chosen and not been sent yet; data: the icon with its counter.
        "img-src 'self' blob: data:",
        # Of the socket too: since CSP 3 'self' means its schemes besides.
        "connect-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        # Svelte makes elements of what it has compiled, DOMPurify of what it has cleaned; the worker's address is one of a script.
        # Nothing else makes any of text.
        "trusted-types svelte-trusted-html dompurify parley-worker",
    )
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(
        f"{feature}=()"
        for feature in (
            "camera",
            "display-capture",
            "geolocation",
            "hid",
            "microphone",
            "midi",
            "payment",
            "serial",
            "usb",
        )
    ),
}
FOREVER: Final = "public, max-age=31536000, immutable"
ASK_EACH_TIME: Final = "no-cache"

_TYPES: Final = {".js": "text/javascript", ".webmanifest": "application/manifest+json", ".woff2": "font/woff2"}
"""What a system's own table of types may have otherwise, or not at all."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One encoding of a file. etag: strong, of these very bytes."""

    body: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class File:
    """One file of the build. variants: by content coding; `identity` is always there."""

    content_type: str
    cache: str
    variants: Mapping[str, Variant]

    def answer(self, headers: Headers) -> Response:
        """What this request gets: the whole file in the best encoding that it takes, or 304 (RFC 9110, 13.1.2)."""
        coding = _best(headers.get("accept-encoding", ""), self.variants)
        variant = self.variants[coding]
        said = {**HEADERS, "Cache-Control": self.cache, "ETag": variant.etag}
        if len(self.variants) > 1:
            said["Vary"] = "Accept-Encoding"
        if _names(headers.getlist("if-none-match"), variant.etag):
            return Response(status_code=304, headers=said)
        if coding != "identity":
            said["Content-Encoding"] = coding
        return Response(variant.body, headers=said, media_type=self.content_type)


class WebClient:
    """What is asked for where no route is.

    root: the folder of the build; without one, or without an index.html in it, the gateway's own pages are served.
    otherwise: whoever answers for all other addresses.
    """

    def __init__(self, root: Path | None, otherwise: ASGIApp) -> None:
        self._files = {} if root is None else read(root)
        self._otherwise = otherwise
        if root is not None:
            # An image that was built without a client is one that serves none: it is said, and is no fault.
            log.info("web.build", count=len(self._files), bytes=_size(self._files.values()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._answer(Request(scope)) if scope["type"] == "http" else None
        if answer is None:
            await self._otherwise(scope, receive, send)
        else:
            await answer(scope, receive, send)

    def _answer(self, request: Request) -> Response | None:
        if request.method not in ("GET", "HEAD"):
            return None
        path = request.scope["path"]
        found = self._found(path) if self._files else _plain(path)
        if found is None:
            return None
        answer = found if isinstance(found, Response) else found.answer(request.headers)
        if request.method == "HEAD":
            # Its Content-Length stays that of the body which a GET would bring.
            answer.body = b""
        return answer

    def _found(self, path: str) -> File | None:
        # No address of the client has a dot in it; a file that is missing is missing, and no page instead.
        if path == "/" or (path[1:].partition("/")[0] in AREAS and "." not in path):
            return self._files[INDEX]
        return None if path == INDEX else self._files.get(path)


def read(root: Path) -> dict[str, File]:
    """The files of a build, by their addresses; none if there is no index.html among them. Compressed ones belong to the one that they were
    made of, hidden ones to whoever built it, and what leads out of the folder to neither."""
    if not (root / "index.html").is_file():
        return {}
    root = root.resolve()
    found: dict[str, bytes] = {}
    for path in sorted(root.rglob("*")):
        address = "/" + path.relative_to(root).as_posix()
        if path.is_file() and "/." not in address and path.resolve().is_relative_to(root):
            found[address] = path.read_bytes()
    made = {address + suffix for address in found for suffix in ENCODINGS.values()}
    return {address: _file(address, found) for address in found if address not in made}


def _file(address: str, found: Mapping[str, bytes]) -> File:
    variants = {"identity": _variant(found[address])}
    for coding, suffix in ENCODINGS.items():
        compressed = found.get(address + suffix)
        if compressed is not None:
            variants[coding] = _variant(compressed)
    guessed = _TYPES.get(Path(address).suffix) or mimetypes.guess_type(address)[0] or "application/octet-stream"
    return File(guessed, FOREVER if address.startswith(HASHED) else ASK_EACH_TIME, variants)


def _variant(body: bytes) -> Variant:
    return Variant(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _size(files: Iterable[File]) -> int:
    return sum(len(variant.body) for file in files for variant in file.variants.values())


def _best(accepted: str, variants: Mapping[str, Variant]) -> str:
    """The first of ENCODINGS that the client takes (RFC 9110, 12.5.3); its own weights say no more than which it does not take."""
    taken = {}
    for part in accepted.lower().split(","):
        coding, _, weight = part.partition(";")
        taken[coding.strip()] = weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return next((coding for coding in ENCODINGS if coding in variants and taken.get(coding)), "identity")


def _names(given: list[str], etag: str) -> bool:
    """Whether If-None-Match names it; weakly, as it compares."""
    named = [part.strip().removeprefix("W/") for line in given for part in line.split(",")]
    return etag in named or named == ["*"]


def _plain(path: str) -> Response | None:
    name = PLAIN.get(path)
    if name is None:
        return None
    html, policy = pages.page(name)
    return Response(html, headers={"Content-Security-Policy": policy}, media_type="text/html")
