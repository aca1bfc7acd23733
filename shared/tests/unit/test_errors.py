"""Every code has a status; what helps is said in the refusal itself."""

import re

from parley_shared.errors import STATUS, Code, Refused, invalid, not_found, unavailable


def test_every_code_has_a_status_of_an_error() -> None:
    assert set(STATUS) == set(Code)
    assert all(400 <= status < 600 for status in STATUS.values())


def test_codes_are_slugs() -> None:
    assert all(re.fullmatch(r"[a-z][a-z_]*[a-z]", code) for code in Code)


def test_only_our_own_faults_are_5xx() -> None:
    assert {code for code, status in STATUS.items() if status >= 500} == {Code.INTERNAL, Code.UNAVAILABLE}


def test_what_is_away_says_when_to_try_again() -> None:
    assert (unavailable("away").retry_after_ms or 0) > 0


def test_what_may_not_be_seen_answers_like_what_does_not_exist() -> None:
    assert not_found("room").detail == "There is no such room, or you may not see it."


def test_fields_are_named_one_by_one() -> None:
    refusal = invalid(name="too long", topic="too short")
    assert (refusal.code, refusal.errors) == (Code.INVALID, {"name": "too long", "topic": "too short"})


def test_a_refusal_reads_well_in_a_log() -> None:
    assert str(Refused(Code.FORBIDDEN, "Only owners may.")) == "forbidden: Only owners may."
