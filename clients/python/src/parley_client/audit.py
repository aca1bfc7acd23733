"""Exports of the audit trail: how a file is put together, and how it is verified. After docs/audit.md, and nothing else."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID, uuid4

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from parley_client.errors import ParleyError

FORMAT = "parley-audit/1"
AREAS = ("accounts", "rooms")
ZERO = "0" * 64
PAGE = 200

_HEADER = {"type", "format", "areas", "public_key"}
_HEADS = {
    "type", "area", "export", "areas", "room_id", "since", "until", "at", "after", "upto", "heads", "signature",
}  # fmt: skip
_HEAD = {"chain", "from", "prev", "n", "hash"}
_ENTRY = {"type", "area", "chain", "n", "body", "key", "mac", "hash"}


class NotProvenError(ParleyError):
    """The file is not what was signed. line: where that was noticed, from 1."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}")
        self.line = line


@dataclass(slots=True)
class Report:
    """What a file proves. key: who signed. at: of the first signed statement. since, until: what was asked for."""

    key: str
    areas: list[str]
    at: str = ""
    since: str | None = None
    until: str | None = None
    room_id: str | None = None
    chains: dict[str, int] = field(default_factory=dict)
    entries: dict[str, int] = field(default_factory=dict)
    erased: int = 0


def canonical(value: Any) -> bytes:
    """RFC 8785, for values without fractions."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


# -- verifying


def verify(lines: Iterable[bytes], key: str | None = None) -> Report:
    """Read a whole export. key: the public key that one trusts, 64 hex digits; without it, the one that the file itself names.

    Raises NotProvenError for whatever is not exactly as it was signed.
    """
    return _Verifier(key).run(lines)


class _Verifier:
    def __init__(self, trusted: str | None) -> None:
        self._trusted = None if trusted is None else trusted.strip().lower()
        self._line = 0
        self._key: Ed25519PublicKey | None = None
        self._export: tuple[Any, ...] | None = None
        self._after: dict[str, str | None] = {}
        self._complete: set[str] = set()
        self._heads: list[tuple[str, dict[str, Any]]] = []
        self._at = 0
        self._n = 0
        self._prev = ""

    def run(self, lines: Iterable[bytes]) -> Report:
        read = self._read(lines)
        report = self._header(next(read, {}))
        for line in read:
            if line.get("type") == "heads":
                self._statement(line, report)
            elif line.get("type") == "entry":
                self._entry(line, report)
            else:
                raise self._wrong("this is neither a statement nor an entry")
        self._demand_all_heads(report)
        if self._at < len(self._heads):
            area, head = self._heads[self._at]
            raise self._wrong(f"the file ends, and entries of {area} {head['chain']} are missing")
        return report

    def _wrong(self, what: str) -> NotProvenError:
        return NotProvenError(self._line, what)

    def _read(self, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        for line in lines:
            self._line += 1
            if not line.endswith(b"\n"):
                raise self._wrong("it has no end")
            try:
                value = json.loads(line[:-1])
                same = isinstance(value, dict) and canonical(value) == line[:-1]
            except (ValueError, RecursionError):
                raise self._wrong("this is not a line of an export") from None
            if not same:
                raise self._wrong("it is not written as exports are")
            yield value

    def _demand(self, line: dict[str, Any], names: set[str]) -> None:
        if line.keys() != names:
            raise self._wrong("a field is missing, or one too many")

    def _header(self, line: dict[str, Any]) -> Report:
        self._demand(line, _HEADER)
        areas, key = line["areas"], line["public_key"]
        if line["type"] != "header" or line["format"] != FORMAT:
            raise self._wrong(f"it does not begin as a file of {FORMAT}")
        if not isinstance(areas, list) or not areas or [area for area in AREAS if area in areas] != areas:
            raise self._wrong("it names areas that there are not")
        if self._trusted is not None and key != self._trusted:
            raise self._wrong(f"the file says that {key} signed it, and you trust {self._trusted}")
        try:
            self._key = Ed25519PublicKey.from_public_bytes(_unhex(key, 32))
        except ValueError:
            raise self._wrong("the public key is none") from None
        return Report(key=key, areas=areas)

    def _statement(self, line: dict[str, Any], report: Report) -> None:
        self._demand(line, _HEADS)
        signed = {name: value for name, value in line.items() if name != "signature"}
        try:
            assert self._key is not None  # noqa: S101 — the header was read
            self._key.verify(_unhex(line["signature"], 64), b"parley-audit/1 heads\n" + canonical(signed))
        except (InvalidSignature, ValueError):
            raise self._wrong(f"the signature is not that of {report.key}") from None
        area = line["area"]
        export = (line["export"], line["areas"], line["room_id"], line["since"], line["until"])
        if self._export is None:
            self._export = export
            report.at, report.room_id, report.since, report.until = line["at"], *export[2:]
        if export != self._export or line["areas"] != report.areas:
            raise self._wrong("this statement belongs to another export")
        begun = [each for each in AREAS if each in self._after]
        if area not in report.areas or area in self._complete or (begun and area < begun[-1]):
            raise self._wrong("this statement is not in its place")
        if line["after"] != self._after.get(area) or self._at or self._n:
            raise self._wrong("a statement is missing before this one")
        last = line["after"]
        for head in line["heads"]:
            self._demand(head, _HEAD)
            if last is not None and head["chain"] <= last:
                raise self._wrong("chains are not in their order")
            last = head["chain"]
            self._heads.append((area, head))
            report.chains[area] = report.chains.get(area, 0) + 1
        self._after[area] = line["upto"]
        if line["upto"] is None:
            self._complete.add(area)

    def _demand_all_heads(self, report: Report) -> None:
        for area in report.areas:
            if area not in self._complete:
                raise self._wrong(f"the statement on where the chains of {area} end is missing")

    def _entry(self, line: dict[str, Any], report: Report) -> None:
        self._demand(line, _ENTRY)
        if self._at == 0 and self._n == 0:
            self._demand_all_heads(report)
        if self._at >= len(self._heads):
            raise self._wrong("there is an entry too many")
        area, head = self._heads[self._at]
        if self._n == 0:
            self._n, self._prev = head["from"], head["prev"]
        where = f"entry {self._n} of {area} {head['chain']}"
        if (line["area"], line["chain"], line["n"]) != (area, head["chain"], self._n):
            raise self._wrong(f"{where} is missing, or not in its place")
        body, key = line["body"], line["key"]
        try:
            mac = _unhex(line["mac"], 32)
            if (body is None) != (key is None):
                raise ValueError("half erased")
            if body is not None:
                told = hmac.new(_unhex(key, 32), b"parley-audit/1 body\n" + body.encode(), hashlib.sha256).digest()
                if not hmac.compare_digest(told, mac):
                    raise ValueError("another body")
            named = f"{area}\0{head['chain']}\0".encode()
            digest = hashlib.sha256(
                b"parley-audit/1 entry\n" + named + _unhex(self._prev, 32) + self._n.to_bytes(8, "big") + mac
            ).hexdigest()
            if digest != line["hash"]:
                raise ValueError("another hash")
        except (ValueError, AttributeError, OverflowError):
            raise self._wrong(f"{where} was altered") from None
        report.entries[area] = report.entries.get(area, 0) + 1
        report.erased += body is None
        self._prev = digest
        self._n += 1
        if line["n"] == head["n"]:
            if digest != head["hash"]:
                raise self._wrong(f"the chain {area} {head['chain']} does not end as was signed")
            self._at, self._n = self._at + 1, 0


def _unhex(text: Any, size: int) -> bytes:
    """Lower case only, so that there is one way to write each value. Raises ValueError."""
    if not isinstance(text, str) or len(text) != 2 * size:
        raise ValueError("not so many hex digits")
    found = bytes.fromhex(text)
    if found.hex() != text:
        raise ValueError("not as exports write it")
    return found


# -- writing


class Pages(Protocol):
    """Where an export comes from; `Client` is one."""

    async def audit_key(self) -> str: ...

    async def audit_heads(self, area: str, **which: Any) -> tuple[list[dict[str, Any]], str | None]: ...

    async def audit_entries(self, area: str, **which: Any) -> tuple[list[dict[str, Any]], str | None]: ...


async def export(
    source: Pages,
    write: Callable[[bytes], object],
    *,
    areas: list[str] | None = None,
    room_id: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> int:
    """Write a whole export, line by line; what is written meanwhile on the server is left out. Returns how many entries.

    progress: told (entries written, entries in all).
    """
    wanted = [area for area in AREAS if areas is None or area in areas]
    which = {
        "room_id": room_id,
        "since": None if since is None else since.isoformat(),
        "until": None if until is None else until.isoformat(),
    }

    def line(value: dict[str, Any]) -> None:
        write(canonical(value) + b"\n")

    line({"type": "header", "format": FORMAT, "areas": wanted, "public_key": await source.audit_key()})
    export_id, heads = str(uuid4()), dict[tuple[str, str], tuple[int, int]]()
    for area in wanted:
        cursor: str | None = None
        while True:
            statements, cursor = await source.audit_heads(
                area, export=export_id, areas=",".join(wanted), cursor=cursor, limit=PAGE, **which
            )
            for statement in statements:
                line(statement)
                heads |= {(area, head["chain"]): (head["from"], head["n"]) for head in statement["heads"]}
            if cursor is None:
                break
    total, done = sum(last - first + 1 for first, last in heads.values()), 0
    for area in wanted:
        cursor = None
        while True:
            entries, cursor = await source.audit_entries(area, cursor=cursor, limit=PAGE, **which)
            for entry in entries:
                # What was written since the heads were signed belongs to the next export.
                if entry["n"] <= heads.get((area, entry["chain"]), (0, 0))[1]:
                    line(entry)
                    done += 1
            progress(done, total)
            if cursor is None:
                break
    return done
