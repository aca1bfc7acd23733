import pytest

from parley_auth.domain.passwords import new_password, presented, weakness
from parley_shared.errors import Code, Refused


@pytest.mark.parametrize(
    "password",
    [
        "seven grey herons at dawn",
        "ada and her umbrella",  # merely contains the username
        "parley is where we talk",  # merely contains the product's name
        "correct horse battery staple",
        "aaaaaaaaaaaaaaab but then goes on",
        "x" * 14 + "yz",  # three kinds of characters
        "1234567890 is how I count",
        "пароль из пяти слов",
        "七羽の灰色の鷺が夜明けに飛び立つ",
        "               a b c",
    ],
)
def test_passphrases_of_any_composition_are_good(password: str) -> None:
    assert weakness(password, "ada") is None


@pytest.mark.parametrize(
    "password",
    [
        "fourteen chars",
        "passwordstandard",
        "PasswordStandard",
        "1qaz2wsx3edc4rfv",
        "q1w2e3r4t5y6u7i8",
        "aaaaaaaaaaaaaaa",
        "abababababababab",
        "abbabababbaabbab",
        "hello" * 4,
        "abc" * 7 + "a",
        "123456789012345",
        "0123456789012345",
        "098765432109876",
        "abcdefghijklmnop",
        "qwertyuiopasdfgh",
        "qwertyuiop123456",
        "abcdefgh12345678",
        "poiuytrewqlkjhgf",
        "adaadaadaadaada",
        "lovelacelovelace",
        "parleyparleyparley",
        "                ",
    ],
)
def test_what_is_guessed_first_is_refused(password: str) -> None:
    user = "lovelace" if password.startswith("love") else "ada"
    assert weakness(password, user) is not None


def test_a_long_username_is_not_a_password_in_any_case() -> None:
    assert weakness("Ada-Of-The-Lovelaces", "ada-of-the-lovelaces") is not None
    assert weakness("Ada-Of-The-Lovelaces!", "ada-of-the-lovelaces") is None


def test_the_field_is_named_as_in_the_request() -> None:
    with pytest.raises(Refused) as refused:
        new_password("short", field="new_password", username="ada")
    assert refused.value.code == Code.WEAK_PASSWORD
    assert set(refused.value.errors or {}) == {"new_password"}


def test_length_is_bounded_above() -> None:
    assert new_password("ab cd ef" * 16, field="password", username="ada")
    with pytest.raises(Refused) as refused:
        new_password("ab cd ef" * 16 + "!", field="password", username="ada")
    assert refused.value.code == Code.INVALID


def test_one_password_typed_in_two_forms_is_one() -> None:
    composed, decomposed = "äpfel im garten der tante", "a\u0308pfel im garten der tante"
    assert presented(decomposed) == new_password(composed, field="password", username="ada")


def test_what_cannot_be_a_password_is_nobodys() -> None:
    for text in ("", "x" * 129, "nul\0" * 5, "half \ud800 a pair of it"):
        assert presented(text) is None
