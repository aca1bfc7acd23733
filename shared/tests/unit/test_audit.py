"""The chain: whatever is done to it is found, and erasing an entry breaks nothing."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from parley_shared.audit import (
    ACCOUNTS_CHAIN,
    FORMAT,
    ZERO,
    Area,
    Entry,
    Signer,
    body_mac,
    broken,
    canonical,
    entry_hash,
    exported,
    heads,
    is_signed,
    new_body,
    new_key,
    seal,
)
from parley_shared.contracts.audit import AuditHeads
from parley_shared.contracts.base import Actor

ROOM = "01a20e11-bcec-751f-8862-9270028e046e"
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
bodies = st.dictionaries(
    texts, st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts | st.lists(texts, max_size=3), max_size=5
)
histories = st.lists(bodies, min_size=1, max_size=12)


def chain(history: list[dict[str, Any]], name: str = ROOM) -> list[Entry]:
    entries: list[Entry] = []
    last = (0, ZERO)
    for body in history:
        entries.append(seal("rooms", name, last, body))
        last = (entries[-1].n, entries[-1].hash)
    return entries


def erased(entry: Entry) -> Entry:
    return replace(entry, body=None, key=None)


def whole(entries: list[Entry], end: Entry) -> bool:
    """Whether this is the whole chain up to the head that was signed."""
    if broken("rooms", ROOM, entries) is not None:
        return False
    return bool(entries) and (entries[-1].n, entries[-1].hash) == (end.n, end.hash)


@given(histories, st.data())
def test_a_chain_verifies_also_when_any_of_its_entries_are_erased(history: list[Any], data: st.DataObject) -> None:
    entries = chain(history)
    assert whole(entries, entries[-1])
    for index in data.draw(st.sets(st.integers(0, len(entries) - 1))):
        entries[index] = erased(entries[index])
    assert whole(entries, entries[-1])


@given(histories, st.data())
def test_one_flipped_bit_anywhere_is_found(history: list[Any], data: st.DataObject) -> None:
    entries = chain(history)
    index = data.draw(st.integers(0, len(entries) - 1))
    field = data.draw(st.sampled_from(["body", "key", "mac", "prev_hash", "hash"]))
    content = bytearray(getattr(entries[index], field))
    place = data.draw(st.integers(0, len(content) * 8 - 1))
    content[place // 8] ^= 1 << place % 8
    end = entries[-1]
    entries[index] = replace(entries[index], **{field: bytes(content)})
    assert not whole(entries, end)


@given(st.lists(bodies, min_size=2, max_size=12), st.data())
def test_a_removed_swapped_doubled_or_foreign_entry_is_found(history: list[Any], data: st.DataObject) -> None:
    entries = chain(history)
    end = entries[-1]
    index = data.draw(st.integers(0, len(entries) - 2))
    match data.draw(st.sampled_from(["removed", "swapped", "doubled", "foreign", "cut", "emptied"])):
        case "removed":
            del entries[index]
        case "swapped":
            entries[index], entries[index + 1] = entries[index + 1], entries[index]
        case "doubled":
            entries.insert(index, entries[index])
        case "foreign":
            entries[index] = chain(history, "01a20e11-bcec-751f-8862-000000000000")[index]
        case "cut":
            del entries[index + 1 :]
        case "emptied":
            entries.clear()
    assert not whole(entries, end)


@given(st.lists(bodies, min_size=2, max_size=6), st.data())
def test_an_entry_that_is_made_anew_in_its_place_is_found(history: list[Any], data: st.DataObject) -> None:
    """Whoever can write into the database can rewrite a chain from there on, but then its head is another one."""
    entries = chain(history)
    end = entries[-1]
    index = data.draw(st.integers(0, len(entries) - 1))
    last = (0, ZERO) if index == 0 else (entries[index - 1].n, entries[index - 1].hash)
    forged = entries[:index]
    for body in ({"forged": True}, *history[index + 1 :]):
        forged.append(seal("rooms", ROOM, last, body))
        last = (forged[-1].n, forged[-1].hash)
    assert broken("rooms", ROOM, forged) is None
    assert not whole(forged, end)


def test_half_an_erasure_is_found() -> None:
    entries = chain([{"a": 1}])
    assert broken("rooms", ROOM, [replace(entries[0], body=None)]) is not None
    assert broken("rooms", ROOM, [replace(entries[0], key=None)]) is not None


def test_a_chain_is_bound_to_its_name_and_area() -> None:
    entries = chain([{"a": 1}])
    assert broken("rooms", "another", entries) is not None
    assert broken("accounts", ROOM, entries) is not None


def test_the_arithmetic_is_that_of_the_documented_format() -> None:
    """Golden values: docs/audit.md shows the same ones."""
    body = canonical({"action": "room.updated", "n": 1, "reason": "ä"})
    assert body == '{"action":"room.updated","n":1,"reason":"ä"}'.encode()
    mac = body_mac(bytes(range(32)), body)
    assert mac.hex() == "513f354f0def1d03ce6e1f3bf4b0ac63b51d112156b88891c19470a9e3e5cc45"
    assert (
        entry_hash("rooms", ROOM, 1, ZERO, mac).hex()
        == "47b80d773469ea630f47c71dbf1d3aeb02778dcaea354d54c41d1430158e8264"
    )


@given(st.dictionaries(texts, st.none() | st.integers(-(2**53), 2**53) | texts, max_size=5))
def test_canonical_json_reads_back_as_what_was_written(value: dict[str, Any]) -> None:
    assert json.loads(canonical(value)) == value
    assert canonical(json.loads(canonical(value))) == canonical(value)


@given(st.dictionaries(texts, texts, max_size=5), st.data())
def test_a_signature_is_of_one_key_and_exactly_one_statement(statement: dict[str, str], data: st.DataObject) -> None:
    statement.pop("signature", None)
    signer, other = Signer.load(new_key()), Signer.load(new_key())
    signed = signer.signed(statement)
    assert is_signed(signed, signer.public_key)
    assert not is_signed(signed, other.public_key)
    assert not is_signed({**signed, "another": ""}, signer.public_key)
    assert not is_signed(statement, signer.public_key)
    place = data.draw(st.integers(0, 127))
    digit = signed["signature"][place]
    spoilt = signed["signature"][:place] + ("0" if digit != "0" else "1") + signed["signature"][place + 1 :]
    assert not is_signed({**signed, "signature": spoilt}, signer.public_key)
    assert not is_signed(signed, "not a key")


def test_a_key_is_given_as_text_or_as_a_file(tmp_path: Any) -> None:
    pem = new_key()
    path = tmp_path / "audit-key"
    path.write_text(pem)
    assert Signer.load(str(path)).public_key == Signer.load(pem).public_key
    for wrong in (str(tmp_path / "nothing"), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"):
        with pytest.raises(ValueError, match=r".+"):
            Signer.load(wrong)


# -- the example of the documentation, which the SDK's verifier reads, too

EXAMPLE = Path(__file__).parents[3] / "docs" / "audit-example.ndjson"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def row(chain_name: str, entry: Entry) -> dict[str, Any]:
    """As an audit table has it."""
    return {
        "n": entry.n,
        "body": entry.body,
        "entry_key": entry.key,
        "mac": entry.mac,
        "prev_hash": entry.prev_hash,
        "hash": entry.hash,
    }


def example(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """An export of five entries. Keys of entries are 32 times the same number, so that anybody can check."""
    numbers = iter(range(1, 100))
    monkeypatch.setattr("parley_shared.audit.secrets.token_bytes", lambda size: bytes([next(numbers)]) * size)
    alice, bob = UUID(ROOM[:-1] + "a"), UUID(ROOM[:-1] + "b")
    at = datetime(2026, 11, 24, 12, 0, 0, 250, tzinfo=UTC)
    histories: list[tuple[Area, str, list[dict[str, Any]]]] = [
        (
            "accounts",
            ACCOUNTS_CHAIN,
            [
                {"action": "account.registered", "actor_id": alice, "target_id": alice, "details": {"role": "admin"}},
                {"action": "account.disabled", "actor_id": alice, "target_id": bob},
            ],
        ),
        (
            "rooms",
            ROOM,
            [
                {"action": "member.updated", "target_id": bob, "details": {"old": "member", "new": "moderator"}},
                {"action": "member.removed", "target_id": bob, "reason": "Beleidigung, „ä“"},
                {"action": "room.deleted"},
            ],
        ),
    ]
    signer = Signer(PRIVATE)
    lines: list[Any] = [
        {"type": "header", "format": FORMAT, "areas": ["accounts", "rooms"], "public_key": signer.public_key}
    ]
    entries: list[Any] = []
    asked = AuditHeads(
        actor=Actor(user_id=alice, session_id=alice, role="admin"),
        token="",
        export=UUID(int=7),
        areas=["accounts", "rooms"],
    )
    for area, name, history in histories:
        last = (0, ZERO)
        for told in history:
            defaults: dict[str, Any] = {"actor_id": alice, "target_id": None, "reason": None, "details": {}}
            room_id = UUID(name) if area == "rooms" else None
            entry = seal(area, name, last, new_body(**{**defaults, "at": at, "room_id": room_id, **told}))
            last = (entry.n, entry.hash)
            if (area, entry.n) == ("rooms", 2):
                entry = erased(entry)
            entries.append(exported(area, name, row(name, entry)))
        head = {"chain": name, "first": 1, "prev_hash": ZERO, "n": last[0], "hash": last[1]}
        lines.append(signer.signed(heads(asked, area, [head], after=None, upto=None, at=at)))
    return [canonical(line) + b"\n" for line in (*lines, *entries)]


def test_the_documented_example_is_what_we_write(monkeypatch: pytest.MonkeyPatch) -> None:
    assert EXAMPLE.read_bytes() == b"".join(example(monkeypatch))
