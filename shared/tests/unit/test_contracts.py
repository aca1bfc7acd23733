"""Contracts keep what they promised: inside a version they only grow."""

import json
from typing import Any, Literal

import msgspec
import pytest

from parley_shared.contracts import gateway
from parley_shared.contracts.base import SERVICES, UserRequest
from parley_shared.messaging.permissions import contracts

from ..contracts.snapshot import NAMES, broken, describe, load


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_was_promised_is_broken(name: str) -> None:
    faults = broken(load(name), describe(name))
    assert not faults, "\n".join([*faults, "See shared/tests/contracts/snapshot.py."])


def test_every_verb_has_an_owner_callers_and_a_patience() -> None:
    verbs = contracts()
    assert len({rpc.subject for rpc in verbs}) == len(verbs)
    for rpc in verbs:
        assert rpc.owner in SERVICES
        assert rpc.callers <= set(SERVICES)
        assert rpc.callers
        assert rpc.owner not in rpc.callers or rpc == gateway.READY  # of the other gateways
        assert 0 < rpc.timeout <= 60
        assert rpc.side == "svc" or rpc.callers == {"gateway"}


def test_a_verb_between_services_carries_no_actor() -> None:
    assert not [rpc.subject for rpc in contracts() if rpc.side == "svc" and issubclass(rpc.request, UserRequest)]


def test_what_crosses_the_wire_is_frozen() -> None:
    for rpc in contracts():
        assert rpc.request.__struct_config__.frozen
        assert rpc.reply.__struct_config__.frozen


# -- the check itself


def _wire(side: str, shape: type[Any]) -> dict[str, Any]:
    [schema], definitions = msgspec.json.schema_components([shape], ref_template="#/$defs/{name}")
    return json.loads(json.dumps({"wire": {"x": {side: schema}}, "$defs": definitions}))


def _shape(*fields: Any, name: str = "Shape", **more: Any) -> type[Any]:
    return msgspec.defstruct(name, fields, kw_only=True, **more)


INNER = _shape(("n", int), name="Inner")
GROWN_INNER = _shape(("n", int), ("more", int, 0), name="Inner")
OLD = (("a", int), ("b", str | None, None), ("c", Literal["x", "y"]), ("d", list[INNER]))

GROWS = {
    "an optional field": ((*OLD, ("e", int, 0)), ("in", "out")),
    "a required field in an answer": ((*OLD, ("e", int)), ("out",)),
    "a field inside of another": ((*OLD[:3], ("d", list[GROWN_INNER])), ("in", "out")),
    "a value that requests may have": ((*OLD[:2], ("c", Literal["x", "y", "z"]), OLD[3]), ("in",)),
    "null where requests had none": ((("a", int | None), *OLD[1:]), ("in",)),
    "a wider number in requests": ((("a", float), *OLD[1:]), ("in",)),
    "a field that requests may leave out": ((("a", int, 1), *OLD[1:]), ("in",)),
    "a value that answers no longer have": ((*OLD[:2], ("c", Literal["x"]), OLD[3]), ("out",)),
}

BREAKS = {
    "a field that is gone": (OLD[1:], ("in", "out")),
    "a field with another name": ((("z", int), *OLD[1:]), ("in", "out")),
    "another type": ((("a", str), *OLD[1:]), ("in", "out")),
    "no null any more in requests": ((OLD[0], ("b", str, ""), *OLD[2:]), ("in",)),
    "a value that requests may no longer have": ((*OLD[:2], ("c", Literal["x"]), OLD[3]), ("in",)),
    "a required field in requests": ((*OLD, ("e", int)), ("in",)),
    "an optional field that requests must have": ((OLD[0], ("b", str | None), *OLD[2:]), ("in",)),
    "null where answers had none": ((("a", int | None), *OLD[1:]), ("out",)),
    "a value that answers did not have": ((*OLD[:2], ("c", Literal["x", "y", "z"]), OLD[3]), ("out",)),
    "a field that answers may leave out": ((("a", int | msgspec.UnsetType, msgspec.UNSET), *OLD[1:]), ("out",)),
    "another type inside": ((*OLD[:3], ("d", list[_shape(("n", str), name="Inner")])), ("in", "out")),
    "a list that was none": ((("a", list[int]), *OLD[1:]), ("in", "out")),
}


@pytest.mark.parametrize(("what", "side"), [(what, side) for what, (_, sides) in GROWS.items() for side in sides])
def test_what_only_adds_passes(what: str, side: str) -> None:
    assert broken(_wire(side, _shape(*OLD)), _wire(side, _shape(*GROWS[what][0]))) == []


@pytest.mark.parametrize(("what", "side"), [(what, side) for what, (_, sides) in BREAKS.items() for side in sides])
def test_what_breaks_old_peers_is_found(what: str, side: str) -> None:
    assert broken(_wire(side, _shape(*OLD)), _wire(side, _shape(*BREAKS[what][0])))


def test_a_verb_that_is_gone_and_a_caller_that_was_shut_out_are_found() -> None:
    old = {"wire": {"x": {"callers": ["gateway", "search"]}, "y": {}}, "$defs": {}}
    new = {"wire": {"x": {"callers": ["gateway"]}}, "$defs": {}}
    assert broken(old, new) == ["x: search may no longer call it", "y is gone"]


def test_another_tag_is_found() -> None:
    old, new = (_wire("out", _shape(*OLD, tag=tag, tag_field="type")) for tag in ("event", "happening"))
    assert broken(old, new)
    assert broken(old, old) == []
