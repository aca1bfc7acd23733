"""Which names a text holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_messages.domain.mentions import mentions_in
from parley_shared.limits import MENTIONS


def first(text: str, body_format: str = "markdown") -> list[str]:
    return [readings[-1] for readings in mentions_in(text, body_format).names]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Hello @bob", ["bob"]),
        ("@Bob, @ALICE!", ["bob", "alice"]),
        ("(@bob)", ["bob"]),
        ("@bob.", ["bob"]),
        ("@anna-lena and @j.doe_2", ["anna-lena", "j.doe_2"]),
        ("@bob @bob @BOB", ["bob"]),
        ("@Jörg", ["jörg"]),
        ("mail bob@example.org", []),
        ("https://x.org/@bob", []),
        ("@@bob", []),
        ("@ bob", []),
        ("run `@bob` and ```\n@alice\n``` or @carol", ["carol"]),
        ("```\n@never closed", []),
        ("@all", []),
    ],
)
def test_names_are_found_where_somebody_is_addressed(text: str, names: list[str]) -> None:
    assert first(text) == names


def test_in_plain_text_a_backtick_is_a_backtick() -> None:
    assert first("`@bob`", "plain") == ["bob"]


def test_everybody_is_no_name() -> None:
    found = mentions_in("@all and @bob", "markdown")
    assert found.everybody
    assert found.names == (("bob",),)
    assert not mentions_in("@allan", "markdown").everybody


def test_a_full_stop_may_end_the_name_or_the_sentence() -> None:
    assert mentions_in("@bob..", "markdown").names == (("bob..", "bob.", "bob"),)


def test_what_exceeds_the_limit_is_text() -> None:
    assert len(mentions_in(" ".join(f"@user{n}" for n in range(MENTIONS + 5)), "plain").names) == MENTIONS


@given(st.text(alphabet="@ab.-_ `\n\t/é", max_size=60))
def test_any_text_has_names_that_stand_in_it(text: str) -> None:
    for readings in mentions_in(text, "plain").names:
        assert all("@" + reading in text.casefold() for reading in readings)
