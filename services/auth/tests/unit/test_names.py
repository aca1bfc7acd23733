import pytest

from parley_auth.domain import names
from parley_shared.errors import Code, Refused


@pytest.mark.parametrize("name", ["ab", "Ada.Lovelace", "x" * 32, "snow_белый-7", "山田", "ﬁne"])
def test_letters_digits_and_three_signs_make_a_name(name: str) -> None:
    shown = names.username(name)
    assert names.lookup_key(name) == names.fold(shown) == names.fold(name)


@pytest.mark.parametrize(
    "name", ["", "a", "x" * 33, "a b", "a@b", "ab\n", "a/b", "a\u200bb", "ab\u202e", "½½", "﷽﷽", "ALL", "Ａll"]
)
def test_anything_else_does_not(name: str) -> None:
    with pytest.raises(Refused) as refused:
        names.username(name)
    assert refused.value.code == Code.INVALID


def test_what_nobody_can_be_called_has_no_key() -> None:
    for typed in ("", "a", "x" * 33, "two words", "nul\0", "half\ud800"):
        assert names.lookup_key(typed) is None


def test_folding_twice_is_folding_once() -> None:
    for text in ("Straße", "ΣΊΣΥΦΟΣ", "ﬃ", "ǅ", "İstanbul", "ｶﾞ"):
        assert names.fold(names.fold(text)) == names.fold(text)
