"""What to say to a text frame that is no command: an error that the socket outlives, or the close code that it deserves."""

import json
from dataclasses import dataclass

import msgspec

from parley_shared.contracts import frames
from parley_shared.contracts.frames import CloseCode
from parley_shared.errors import Code, Refused

decode = msgspec.json.Decoder(frames.ClientFrame).decode
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What `decode` raises."""

_COMMANDS = {command.__struct_config__.tag for command in frames.ClientFrame.__args__}
_MOST_DIGITS = 400
"""Longer numbers are read as if they were zero: Python refuses to read very long ones, JSON does not."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The frame is a JSON object. id: what it carries as such, if it is an integer; kind: its type, if there is such a one."""

    id: int | None
    kind: str | None
    refusal: Refused


@dataclass(frozen=True, slots=True)
class Fatal:
    """The peer does not speak the protocol at all."""

    code: int
    reason: str


def explain(data: bytes) -> Answered | Fatal:
    """data: a frame that `decode` refused."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return Fatal(1007, "not UTF-8")
    try:
        # The library is stricter than JSON about lone surrogates; whether it is JSON at all, this one knows.
        found = json.loads(text, parse_constant=_refuse_constant, parse_int=_parse_int)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return Fatal(CloseCode.BAD_FRAME, "not a JSON object")
    identifier = found.get("id")
    if isinstance(identifier, bool) or not isinstance(identifier, int):
        identifier = None
    kind = found.get("type")
    if not isinstance(kind, str) or kind not in _COMMANDS:
        refusal = Refused(Code.UNKNOWN_COMMAND, "There is no such type of frame.")
        return Answered(identifier, None, refusal)
    if _has_lone_surrogate(found):
        refusal = Refused(Code.BAD_TEXT, "The frame contains half of a surrogate pair.")
    else:
        refusal = Refused(Code.INVALID, f"The frame is not as it must be: {_why(data)}.")
    return Answered(identifier, kind, refusal)


def _why(data: bytes) -> str:
    try:
        decode(data)
    except msgspec.MsgspecError as error:
        return str(error)
    except RecursionError:
        pass
    return "it cannot be read"


def _parse_int(digits: str) -> int:
    return int(digits) if len(digits) <= _MOST_DIGITS else 0


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _has_lone_surrogate(found: object) -> bool:
    """Whether a string of the document, once unescaped, holds half of a surrogate pair."""
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
