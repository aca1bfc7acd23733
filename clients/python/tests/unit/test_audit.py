"""An export is verified with nothing but the file: every byte of it counts."""

import hashlib
import hmac
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from parley_client.audit import ZERO, NotProvenError, canonical, export, verify

GOLDEN = Path(__file__).parents[4] / "docs" / "audit-example.ndjson"
GOLDEN_KEY = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ROOMS = [f"01a20e11-bcec-751f-8862-00000000000{number}" for number in range(4)]


class Server:
    """Chains as a server holds them, written from the page that describes the format."""

    def __init__(self, page: int = 3) -> None:
        self.chains: dict[str, dict[str, list[dict[str, Any]]]] = {"accounts": {}, "rooms": {}}
        self.page = page
        self.later: list[tuple[str, str]] = []

    def append(self, area: str, chain: str, action: str = "room.updated") -> None:
        entries = self.chains[area].setdefault(chain, [])
        n, prev = len(entries) + 1, entries[-1]["hash"] if entries else ZERO
        body = canonical({"action": action, "n": n, "reason": "weil es so ist: „ä“"}).decode()
        key = hashlib.sha256(f"{area}{chain}{n}".encode()).digest()
        mac = hmac.new(key, b"parley-audit/1 body\n" + body.encode(), hashlib.sha256).digest()
        named = f"{area}\0{chain}\0".encode()
        digest = hashlib.sha256(
            b"parley-audit/1 entry\n" + named + bytes.fromhex(prev) + n.to_bytes(8, "big") + mac
        ).hexdigest()
        entries.append(
            {"type": "entry", "area": area, "chain": chain, "n": n, "body": body, "key": key.hex(), "mac": mac.hex(), "hash": digest}
        )  # fmt: skip

    def erase(self, area: str, chain: str, n: int) -> None:
        self.chains[area][chain][n - 1] |= {"body": None, "key": None}

    async def audit_key(self) -> str:
        return PRIVATE.public_key().public_bytes_raw().hex()

    async def audit_heads(self, area: str, **which: Any) -> tuple[list[dict[str, Any]], str | None]:
        after = which["cursor"]
        names = [name for name in sorted(self.chains[area]) if after is None or name > after]
        upto = names[self.page - 1] if len(names) > self.page else None
        heads = []
        for name in names[: self.page]:
            last = self.chains[area][name][-1]
            heads.append({"chain": name, "from": 1, "prev": ZERO, "n": last["n"], "hash": last["hash"]})
        statement = {
            "type": "heads", "area": area, "export": which["export"], "areas": which["areas"].split(","), "room_id": None,
            "since": None, "until": None, "at": "2026-11-24T12:00:00.000000Z", "after": after, "upto": upto, "heads": heads,
        }  # fmt: skip
        signature = PRIVATE.sign(b"parley-audit/1 heads\n" + canonical(statement)).hex()
        return [{**statement, "signature": signature}], upto

    async def audit_entries(self, area: str, **which: Any) -> tuple[list[dict[str, Any]], str | None]:
        for place in self.later:
            self.append(*place)
        self.later.clear()
        entries = [entry for _, chain in sorted(self.chains[area].items()) for entry in chain]
        start = int(which["cursor"] or 0)
        end = start + self.page
        return entries[start:end], str(end) if end < len(entries) else None


async def exported(server: Server, areas: list[str] | None = None) -> list[bytes]:
    lines: list[bytes] = []
    await export(server, lines.append, areas=areas)
    return lines


@pytest.fixture
async def server() -> Server:
    found = Server()
    for number in range(5):
        found.append("accounts", "accounts", "account.registered")
        for room in ROOMS[: number + 1]:
            found.append("rooms", room)
    found.erase("rooms", ROOMS[0], 2)
    return found


async def test_what_was_exported_is_proven(server: Server) -> None:
    report = verify(await exported(server), await server.audit_key())
    assert report.chains == {"accounts": 1, "rooms": 4}
    assert report.entries == {"accounts": 5, "rooms": 14}
    assert (report.erased, report.at, report.key) == (1, "2026-11-24T12:00:00.000000Z", await server.audit_key())


async def test_what_is_written_meanwhile_is_left_out(server: Server) -> None:
    server.later = [("accounts", "accounts"), ("rooms", ROOMS[1]), ("rooms", "01a20e11-bcec-751f-8862-999999999999")]
    report = verify(await exported(server))
    assert report.entries == {"accounts": 5, "rooms": 14}


async def test_an_export_of_nothing_is_one_too() -> None:
    report = verify(await exported(Server()))
    assert report.entries == {}


async def test_one_area_alone_says_so(server: Server) -> None:
    report = verify(await exported(server, ["rooms"]))
    assert report.areas == ["rooms"]


def altered(lines: list[bytes], what: str, data: st.DataObject) -> list[bytes]:
    found = list(lines)
    index = data.draw(st.integers(0, len(found) - 1))
    other = data.draw(st.integers(0, len(found) - 1).filter(lambda number: found[number] != found[index]))
    match what:
        case "flip":
            content = bytearray(b"".join(found))
            place = data.draw(st.integers(0, len(content) - 1))
            content[place] ^= 1 << data.draw(st.integers(0, 7))
            return bytes(content).splitlines(keepends=True)
        case "drop":
            del found[index]
        case "swap":
            found[index], found[other] = found[other], found[index]
        case "double":
            found.insert(other, found[index])
        case "cut":
            del found[index:]
        case "cut inside":
            content = b"".join(found)
            return content[: data.draw(st.integers(0, len(content) - 1))].splitlines(keepends=True)
        case "space":
            found[index] = found[index].replace(b":", b": ", 1)
    return found


@pytest.mark.parametrize("what", ["flip", "drop", "swap", "double", "cut", "cut inside", "space"])
async def test_whatever_is_done_to_the_file_is_found(server: Server, what: str) -> None:
    lines = await exported(server)

    @settings(max_examples=150, deadline=None, database=None)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        with pytest.raises(NotProvenError):
            verify(altered(lines, what, data))

    check()


async def test_another_key_is_found(server: Server) -> None:
    with pytest.raises(NotProvenError, match="you trust"):
        verify(await exported(server), "00" * 32)


async def test_a_statement_of_another_export_does_not_fit(server: Server) -> None:
    one, other = await exported(server), await exported(server)
    assert one[1] != other[1]
    with pytest.raises(NotProvenError, match="another export"):
        verify([one[0], one[1], other[2], *one[3:]])


async def test_a_whole_chain_that_is_taken_out_is_found(server: Server) -> None:
    lines = await exported(server)
    with pytest.raises(NotProvenError):
        verify([line for line in lines if b'"entry"' not in line or ROOMS[3].encode() not in line])


async def test_an_area_that_is_taken_out_is_found(server: Server) -> None:
    lines = await exported(server)
    header = lines[0].replace(b'["accounts","rooms"]', b'["rooms"]')
    with pytest.raises(NotProvenError):
        verify([header, *(line for line in lines[1:] if b'"area":"accounts"' not in line)])


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"null\n", b"[]\n", b"{}\n", b"\xff\n", b'{"type":"entry"}\n', b"[" * 5000 + b"\n", b"{" * 3]
)
async def test_nonsense_is_refused_with_a_sentence(server: Server, line: bytes) -> None:
    lines = await exported(server)
    for place in (0, 1, len(lines) - 1):
        with pytest.raises(NotProvenError, match="line"):
            verify([*lines[:place], line, *lines[place:]])
    with pytest.raises(NotProvenError):
        verify([line])
    with pytest.raises(NotProvenError):
        verify([])


def test_the_golden_file_is_verified() -> None:
    """shared/ writes the same file, byte for byte."""
    with GOLDEN.open("rb") as lines:
        report = verify(lines, GOLDEN_KEY)
    assert (report.entries, report.erased) == ({"accounts": 2, "rooms": 3}, 1)
