"""Ids sort by time; buckets are the same on every machine and in every language."""

from collections import Counter
from uuid import UUID
from zlib import crc32

from parley_shared.contracts.live import bucket_subject, heads_subject, live_subject
from parley_shared.ids import bucket, event_bucket, live_bucket, new_id, room_stream, user_stream
from parley_shared.limits import EVENT_BUCKETS, LIVE_BUCKETS

KNOWN = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


def test_ids_of_one_process_ascend() -> None:
    made = [new_id() for _ in range(10_000)]
    assert made == sorted(set(made))
    assert {identifier.version for identifier in made} == {7}


def test_a_bucket_is_the_crc_of_the_written_id() -> None:
    assert bucket(KNOWN, 1 << 32) == crc32(b"01890a5d-ac96-774b-bcce-b302099a8057")
    assert live_bucket(KNOWN) == bucket(KNOWN, LIVE_BUCKETS)
    assert event_bucket(KNOWN) == bucket(KNOWN, EVENT_BUCKETS)


def test_buckets_fill_evenly() -> None:
    filled = Counter(live_bucket(new_id()) for _ in range(LIVE_BUCKETS * 100))
    assert len(filled) == LIVE_BUCKETS
    assert max(filled.values()) < 200


def test_what_is_published_is_heard_on_its_bucket() -> None:
    subject, heads = live_subject("room", KNOWN), heads_subject("room", live_bucket(KNOWN))
    prefix = bucket_subject("room", live_bucket(KNOWN)).removesuffix("*")
    assert subject == f"{prefix}{KNOWN}"
    assert heads == f"{prefix}heads"


def test_streams_are_named_as_on_the_wire() -> None:
    assert (room_stream(KNOWN), user_stream(KNOWN)) == (f"room:{KNOWN}", f"user:{KNOWN}")
