"""What services log has one schema: keys from one list, events of one form, and nothing of what people say or are called."""

import re

import pytest

from log_calls import EXPANDED, Call, calls
from parley_shared.log_keys import ALWAYS, FORBIDDEN, KEYS

EVENT = re.compile(r"[a-z][a-z0-9_]*\.[a-z_]+")
CALLS = list(calls())


def test_there_are_lines_to_look_at() -> None:
    """Else the tests below prove nothing."""
    assert len(CALLS) > 80
    assert {call.process for call in CALLS} >= {"all", "auth", "gateway", "messages", "presence"}


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.where)
def test_a_line_names_its_event_and_nothing_but_listed_keys(call: Call) -> None:
    assert call.event is not None, "the event is not a text that stands there"
    assert EVENT.fullmatch(call.event), call.event
    assert EXPANDED not in call.keys, "which keys these are is written nowhere"
    assert set(call.keys) <= {*KEYS, *ALWAYS}, set(call.keys) - {*KEYS, *ALWAYS}


def test_no_key_is_for_what_people_say_or_are_called() -> None:
    for key in {**KEYS, **ALWAYS}:
        assert not set(key.split("_")) & set(FORBIDDEN), key


def test_every_listed_key_is_used() -> None:
    used = {key for call in CALLS for key in call.keys}
    assert not KEYS.keys() - used, sorted(KEYS.keys() - used)
