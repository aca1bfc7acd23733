from datetime import UTC, datetime

from parley_auth.domain import codes

KEY = "operator's key, with an ümlaut"


def test_an_operators_code_is_read_back() -> None:
    code = codes.mint_operator_code(KEY, b"nonce-nonce-16by", 1_900_000_000)
    found = codes.read_operator_code(f" {code}\n", KEY)
    assert found == codes.OperatorCode("bm9uY2Utbm9uY2UtMTZieQ", datetime.fromtimestamp(1_900_000_000, UTC))


def test_the_format_is_the_one_that_other_tools_mint() -> None:
    import base64
    import hashlib
    import hmac

    body = "op1.bm9uY2Utbm9uY2UtMTZieQ.1900000000"
    mac = base64.urlsafe_b64encode(hmac.new(KEY.encode(), body.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()
    assert codes.mint_operator_code(KEY, b"nonce-nonce-16by", 1_900_000_000) == f"{body}.{mac}"


def test_every_change_of_a_code_is_noticed() -> None:
    code = codes.mint_operator_code(KEY, b"nonce-nonce-16by", 1_900_000_000)
    assert codes.read_operator_code(code, "another key") is None
    for position in range(len(code)):
        changed = code[:position] + ("A" if code[position] != "A" else "B") + code[position + 1 :]
        assert codes.read_operator_code(changed, KEY) is None, position


def test_two_spellings_of_one_nonce_are_one_nonce() -> None:
    """Base64 has spare bits at its end: whoever has the key must not get two uses out of one nonce."""
    import base64
    import hashlib
    import hmac

    found = set()
    for nonce in ("bm9uY2Utbm9uY2UtMTZieQ", "bm9uY2Utbm9uY2UtMTZieR"):
        body = f"op1.{nonce}.1900000000"
        mac = base64.urlsafe_b64encode(hmac.new(KEY.encode(), body.encode(), hashlib.sha256).digest()).rstrip(b"=")
        found.add(codes.read_operator_code(f"{body}.{mac.decode()}", KEY))
    assert len(found) == 1


def test_an_expiry_beyond_any_calendar_is_no_code() -> None:
    code = codes.mint_operator_code(KEY, b"nonce-nonce-16by", 999_999_999_999)
    assert codes.read_operator_code(code, KEY) is None


def test_secrets_are_long_and_their_digests_short() -> None:
    assert len(codes.new_refresh_token()) == 43
    assert len({codes.new_code() for _ in range(100)}) == 100
    assert len(codes.digest("half \ud800")) == 32
