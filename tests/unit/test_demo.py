"""What the people of `make demo` say, as far as it can be told without them: by their script and its plan."""

import itertools
import json
import random
import runpy
from pathlib import Path

import pytest

DEMO = runpy.run_path(str(Path(__file__).resolve().parents[2] / "examples" / "demo.py"))
TOPICS, TURNS = DEMO["read"](DEMO["TALK"].read_text())
TEN_MINUTES_S = 600.0


def test_they_have_enough_to_talk_about() -> None:
    assert len(TOPICS) == 5
    said = [turn for turn in TURNS if turn.says and turn.scene > 0]
    assert len(said) >= 150
    assert {turn.who for turn in said} == DEMO["PEOPLE"].keys()
    for room in TOPICS:
        here = [turn for turn in TURNS if turn.room == room]
        assert {turn.scene for turn in here} >= {0, 1, 2, 3}, room
        assert any(turn.in_thread for turn in here), room
        assert any(turn.sign == "!" for turn in here), room


def test_every_turn_has_something_to_refer_to() -> None:
    for room in TOPICS:
        spoken: set[str] = set()
        for turn in (turn for turn in TURNS if turn.room == room):
            assert turn.who in DEMO["PEOPLE"], turn
            assert turn.text or turn.sign == "*", turn
            if turn.in_thread or turn.sign in ("+", "*"):
                assert spoken, turn
            if turn.sign == "~":
                assert turn.who in spoken, turn
            if turn.sign == "@":
                assert turn.text.partition(": ")[0] in ("online", "away", "busy"), turn
            if turn.says:
                spoken.add(turn.who)


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_said_twice_within_ten_minutes_and_nobody_is_silent_for_long(seed: int) -> None:
    at, said = 0.0, dict[str, float]()
    for pause, turn in DEMO["plan"](TURNS, seed):
        at += pause
        if at > 3 * TEN_MINUTES_S:
            break
        assert pause <= 7.0
        if turn.says:
            assert at - said.get(turn.text, -TEN_MINUTES_S) >= TEN_MINUTES_S, turn
            said[turn.text] = at
    for room in TOPICS:
        in_order = [
            turn for _, turn in itertools.islice(DEMO["plan"](TURNS, seed), len(TURNS) // 2) if turn.room == room
        ]
        assert in_order == [turn for turn in TURNS if turn.room == room and turn.scene > 0][: len(in_order)]


@pytest.mark.parametrize(
    ("text", "image", "said"),
    [
        ("Hello everybody!", False, DEMO["GREETINGS"]),
        ("Good morning", False, DEMO["GREETINGS"]),
        ("Are you real?", False, DEMO["ABOUT"]),
        ("is this a DEMO", True, DEMO["ABOUT"]),
        ("Look at that", True, DEMO["OF_IMAGES"]),
        ("hey, who has the key?", False, (DEMO["OF_QUESTIONS"]["who"],)),
        ("Shall we?", False, DEMO["PERHAPS"]),
        ("Thanks a lot", False, DEMO["WELCOME"]),
        ("I bring cake.", False, DEMO["NOTED"]),
        ("", False, DEMO["NOTED"]),
    ],
)
def test_a_newcomer_gets_an_answer_that_fits(text: str, image: bool, said: tuple[str, ...]) -> None:
    assert DEMO["answer"](text, random.Random(1), image=image) in said


def test_it_finds_the_suite_as_the_command_does(tmp_path: Path) -> None:
    address = DEMO["address"]
    home = {"PARLEY_HOME": str(tmp_path), "PARLEY_PORT": "8100"}
    assert address(home) == "http://127.0.0.1:8100"
    (tmp_path / "run.json").write_text(json.dumps({"urls": {"http": "http://127.0.0.1:8200"}}))
    assert address(home) == "http://127.0.0.1:8200"
    assert address({**home, "PARLEY_URL": "https://chat.example/"}) == "https://chat.example"
