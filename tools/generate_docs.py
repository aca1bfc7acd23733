"""Writes what the documentation says of numbers, settings, codes, frames, calls and rights, from the code that decides it.

A page holds a table between `<!-- generated: NAME -->` and `<!-- /generated -->`; NAME is one of `BLOCKS`. The sentences that
no code carries are in docs/meanings.toml, which must name exactly what the code has: a new setting without a meaning is an
error here, and so is a meaning whose setting is gone. Frames and objects may say in their docstring what they mean.

    generate_docs.py            # write the pages
    generate_docs.py --check    # exit code 1, and the pages' names, if they are not what would be written
"""

import ast
import inspect
import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast, get_args, get_origin

import annotated_types
import msgspec
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

import log_calls
from code_metrics import metrics
from parley_gateway.app import make_app
from parley_gateway.routes.accounts import TokenAnswer
from parley_gateway.routes.cluster import Cluster
from parley_gateway.routes.journey import Journey
from parley_gateway.routes.keys import Keys, KeysRotated
from parley_gateway.routes.search import FoundMessage
from parley_gateway.settings import Settings as GatewaySettings
from parley_local.settings import Settings as LauncherSettings
from parley_messages.domain.access import MAY, RANK, Action, Standing, demand
from parley_shared import limits as limits_module
from parley_shared.contracts import (
    auth,
    conversation,
    frames,
    images,
    journey,
    keys,
    live,
    media,
    messages,
    moderation,
    search,
    verifying,
)
from parley_shared.contracts.base import SERVICES
from parley_shared.contracts.cluster import Replica
from parley_shared.contracts.frames import CloseCode
from parley_shared.errors import STATUS, Code, Refused
from parley_shared.ids import new_id
from parley_shared.log_keys import ALWAYS, KEYS
from parley_shared.messaging.permissions import contracts
from parley_shared.settings import DatabaseSettings, ServiceSettings

ROOT = Path(__file__).resolve().parent.parent
MEANINGS = ROOT / "docs/meanings.toml"
BLOCK = re.compile(r"(<!-- generated: ([a-z -]+) -->\n).*?(<!-- /generated -->)", re.DOTALL)


class Wrong(Exception):  # noqa: N818 — told as it is
    """The pages cannot be written; the message says why."""


def meanings(section: str, wanted: Iterable[str], own: dict[str, str] | None = None) -> dict[str, str]:
    """The sentences of one section of docs/meanings.toml, exactly for these names, without those that it says are not there yet.

    own: what the code says of them, where the section does not. Raises Wrong.
    """
    found: Any = tomllib.loads(MEANINGS.read_text())
    for part in section.split("."):
        found = found.get(part, {})
    names = set(wanted)
    not_yet = set(found.get("not_yet", []))
    sentences = {name: text for name, text in found.items() if isinstance(text, str)}
    if left := sorted((sentences.keys() | not_yet) - names):
        raise Wrong(f"docs/meanings.toml, [{section}]: the code has no {', '.join(left)} any more")
    sentences = {**(own or {}), **sentences}
    if missing := sorted(names - not_yet - sentences.keys()):
        raise Wrong(f"docs/meanings.toml, [{section}]: there is no meaning of {', '.join(missing)}")
    return {name: text for name, text in sentences.items() if name not in not_yet}


def table(head: list[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *([str(cell).replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


# -- numbers and settings


def limits() -> str:
    """Every constant of limits.py, with the string below it."""
    body = ast.parse(inspect.getsource(limits_module)).body
    rows = []
    for node, text in pairwise(body):
        if not isinstance(node, ast.Assign):
            continue
        if not (isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)):
            raise Wrong(f"limits.py, line {node.lineno}: a number without its meaning")
        name = cast(ast.Name, node.targets[0]).id
        value = getattr(limits_module, name)
        shown = f"{value:,}" if isinstance(value, int | float) else str(value)
        rows.append([f"`{name}`", shown, text.value.value])
    return table(["name", "value", "what it bounds"], rows)


def settings(section: str, model: type[BaseSettings], prefix: str, without: type[BaseSettings] | None = None) -> str:
    """A row for each field of a settings class, besides those that its parent has with the same default."""
    inherited = {} if without is None else without.model_fields
    fields = {
        name: field
        for name, field in model.model_fields.items()
        if name not in inherited or _default(field) != _default(inherited[name])
    }
    said = meanings(f"settings.{section}", fields)
    if not fields:
        return "It has no settings of its own.\n"
    rows = [[f"`{prefix}{name.upper()}`", _default(field), _takes(field), said[name]] for name, field in fields.items()]
    return table(["variable", "default", "takes", "meaning"], rows)


def service_settings(service: str) -> str:
    model = cast(type[BaseSettings], import_module(f"parley_{service}.settings").Settings)
    common = DatabaseSettings if issubclass(model, DatabaseSettings) else ServiceSettings
    return settings(service, model, f"PARLEY_{service.upper()}_", common)


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "the host's name" if field.annotation is str else "none"
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    if value is None:
        return "`off`" if _is_limit(field) else "none"
    return f"`{value}`" if value != "" else "none"


def _is_limit(field: FieldInfo) -> bool:
    return "int" in str(field.annotation) and type(None) in get_args(field.annotation)


def _takes(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(field.annotation))
    if _is_limit(field):
        words = [word for part in get_args(field.annotation) if get_origin(part) is Literal for word in get_args(part)]
        return " or ".join([", ".join(["a number", *(f"`{word}`" for word in words)]), "`off`"])
    if field.annotation not in (int, float):
        return "a list, with commas" if get_origin(field.annotation) is list else "text"
    least = next((f"≥ {item.ge}" for item in field.metadata if isinstance(item, annotated_types.Ge)), "")
    above = next((f"> {item.gt}" for item in field.metadata if isinstance(item, annotated_types.Gt)), "")
    most = next((f"≤ {item.le}" for item in field.metadata if isinstance(item, annotated_types.Le)), "")
    return " ".join(["a number", ", ".join(filter(None, (least, above, most)))]).strip()


# -- what clients meet


def error_codes() -> str:
    said = meanings("codes", map(str, Code))
    return table(
        ["code", "HTTP", "meaning"], ([f"`{code}`", STATUS[code].value, said[code]] for code in Code if code in said)
    )


def close_codes() -> str:
    codes = {name: value for name, value in vars(CloseCode).items() if isinstance(value, int)}
    said = meanings("close", codes)
    rows = [
        [f"`{value}`", "reconnect" if value < 4500 else "stop", said[name]]
        for name, value in sorted(codes.items(), key=lambda item: item[1])
    ]
    return table(["code", "then", "meaning"], rows)


def _shape(kind: type[msgspec.Struct], *, without: tuple[str, ...] = ()) -> str:
    fields = [field for field in msgspec.structs.fields(kind) if field.name not in without]
    return f"`{{{', '.join(field.encode_name + ('' if field.required else '?') for field in fields)}}}`"


def _documented(section: str, kinds: list[type[msgspec.Struct]]) -> dict[str, str]:
    """The meanings of frames and objects; a docstring will do."""
    own = {kind.__name__: " ".join(inspect.cleandoc(kind.__doc__).split()) for kind in kinds if kind.__doc__}
    return meanings(section, (kind.__name__ for kind in kinds), own)


def _frames(section: str, kinds: Iterable[type[msgspec.Struct]], without: tuple[str, ...] = ()) -> str:
    chosen = list(kinds)
    said = _documented(section, chosen)
    rows = [
        [f"`{kind.__struct_config__.tag}`", _shape(kind, without=without), said[kind.__name__]]
        for kind in chosen
        if kind.__name__ in said
    ]
    return table(["type" if section != "events" else "kind", "fields", "meaning"], rows)


def shapes() -> str:
    kinds: list[type[msgspec.Struct]] = [
        TokenAnswer, auth.Me, auth.User, auth.Session, messages.Room, messages.MyRoom, messages.DirectoryRoom, messages.Member,
        messages.Message, conversation.Thread, conversation.Revision, conversation.MessageStatus, Journey, journey.JourneyCommit, journey.JourneyPublication,
        journey.JourneyDecision, live.JourneyPart, live.JourneyDevice, messages.ReadState, messages.Events,
        images.Image, FoundMessage, moderation.Sanction, moderation.Report, moderation.Reported, moderation.AccessGrant, keys.RoomPrivacy,
        auth.AdminUser, auth.OneTimeCode, Keys, keys.RoomKey, KeysRotated, keys.Rewrapped, keys.KeysDestroyed, search.IndexState,
        Cluster, Replica, verifying.Verified, verifying.Divergence, media.StoreChecked,
    ]  # fmt: skip
    said = _documented("shapes", kinds)
    rows = [[f"**{kind.__name__}**", _shape(kind), said[kind.__name__]] for kind in kinds if kind.__name__ in said]
    return table(["object", "fields", "meaning"], rows)


def http_calls(tag: str) -> str:
    """The calls of one area, from the OpenAPI document that the gateway serves."""
    parts = SimpleNamespace(settings=GatewaySettings.model_construct(), sampler=None)
    document = make_app(cast(Any, parts), "1").openapi()
    schemas = document["components"]["schemas"]
    rows = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if operation["tags"] == [tag]:
                call = f"`{method.upper()} {path.removeprefix('/api/v1')}`"
                rows.append([call, _asked(operation, schemas), _answered(operation), _told(operation)])
    return table(["call", "takes", "answers", "what it does"], rows)


def _asked(operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    asked = []
    query = [item for item in operation.get("parameters", []) if item["in"] == "query"]
    if query:
        asked.append(f"`?{', '.join(item['name'] for item in query)}`")
    asked += [f"`{item['name'].title()}:`" for item in operation.get("parameters", []) if item["in"] == "header"]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = schemas[content["schema"]["$ref"].rpartition("/")[2]]
        required = schema.get("required", [])
        names = [name if name in required else f"{name}?" for name in schema["properties"]]
        asked.append(f"`{{{', '.join(names)}}}`")
    return " ".join(asked)


def _answered(operation: dict[str, Any]) -> str:
    found = []
    for status, answer in sorted(operation["responses"].items()):
        if not status.isdecimal():
            continue
        content = answer.get("content", {})
        schema = content.get("application/json", {}).get("schema", {})
        found.append(
            f"{status} {schema.get('$ref', '').rpartition('/')[2] or ('its bytes' if 'image/*' in content else '')}".strip()
        )
    return ", ".join(found)


def _told(operation: dict[str, Any]) -> str:
    text = f"{operation['summary']}. {operation.get('description', '')}".strip()
    told = " ".join(text.split()).replace(f"{operation['summary']}. {operation['summary']}", operation["summary"])
    codes = operation["responses"].get("4XX", {}).get("description", "").removeprefix("A problem document.").strip()
    return told + (" " + ", ".join(f"`{code.strip()}`" for code in codes.split(",")) if codes else "")


# -- who may do what

ACTORS = {
    "anybody else": ("user", None),
    "member": ("user", "member"),
    "moderator": ("user", "moderator"),
    "owner": ("user", "owner"),
    "global moderator": ("moderator", None),
    "admin": ("admin", None),
}
"""Each column's (global role, role in the room). The last two are no members of the room."""


def access(kind: str) -> str:
    """One row an action, one column a kind of actor; a refusal shows its code."""

    def cell(action: Action, global_role: str, room_role: str | None) -> str:
        standing = Standing(
            user_id=new_id(),
            global_role=global_role,
            room_role=room_role,
            public=kind != "private",
            deleted=kind == "deleted",
        )
        try:
            demand(standing, action)
        except Refused as refusal:
            return f"`{refusal.code}`"
        return "**yes**"

    rows = [[action.value, *(cell(action, *actor) for actor in ACTORS.values())] for action in MAY]
    return table(["action", *ACTORS], rows)


def ranks() -> str:
    rows = [[name, rank] for name, rank in sorted(RANK.items(), key=lambda item: item[1])]
    return table(
        ["role", "rank"], [["no member", 0], *rows, ["admin, or global moderator in a public room", RANK["moderator"]]]
    )


# -- between the services


def calls(service: str) -> str:
    """The verbs that a service calls."""
    rows = [
        [f"`{verb.subject.removeprefix('parley.rpc.')}`", f"{verb.timeout:g} s", "yes" if verb.repeatable else "no"]
        for verb in contracts()
        if service in verb.callers
    ]
    return table(["verb (behind `parley.rpc.`)", "waits", "may be repeated"], rows)


def metric_table() -> str:
    """Every metric of our own, by who has it."""
    return table(
        ["process", "metric", "kind", "labels", "meaning"],
        (
            [
                metric.process,
                f"`{metric.name}`",
                metric.kind,
                ", ".join(f"`{label}`" for label in metric.labels),
                metric.meaning,
            ]
            for metric in metrics()
        ),
    )


def log_keys(listed: dict[str, str]) -> str:
    return table(["key", "meaning"], ([f"`{key}`", said] for key, said in sorted(listed.items())))


def log_events() -> str:
    """Every line of our own, by who writes it."""
    found: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
    for call in log_calls.calls():
        levels, keys = found.setdefault((call.process, str(call.event)), (set(), set()))
        levels.add("error" if call.level == "exception" else call.level)
        keys.update(call.keys, ["exception"] if call.level == "exception" else [])
    rows = [
        [process, f"`{event}`", ", ".join(sorted(levels)), ", ".join(f"`{key}`" for key in sorted(keys - {"exc_info"}))]
        for (process, event), (levels, keys) in sorted(found.items())
    ]
    return table(["process", "event", "level", "keys"], rows)


BLOCKS: dict[str, Callable[[], str]] = {
    "limits": limits,
    "settings common": lambda: settings("common", ServiceSettings, "PARLEY_<SERVICE>_"),
    "settings database": lambda: settings("database", DatabaseSettings, "PARLEY_<SERVICE>_", ServiceSettings),
    "settings launcher": lambda: settings("launcher", LauncherSettings, "PARLEY_"),
    **{f"settings {service}": partial(service_settings, service) for service in SERVICES},
    "error codes": error_codes,
    "close codes": close_codes,
    "frames from clients": lambda: _frames("from_clients", get_args(frames.ClientFrame), ("trace",)),
    "frames to clients": lambda: _frames("to_clients", frames.Frame.__subclasses__()),
    "events": lambda: _frames("events", frames.EventBody.__subclasses__(), ("at", "actor_id")),
    "shapes": shapes,
    **{
        f"calls {tag}": partial(http_calls, tag)
        for tag in (
            "accounts",
            "users",
            "rooms",
            "messages",
            "images",
            "search",
            "notifications",
            "presence",
            "moderation",
            "admin",
            "service",
        )
    },
    **{f"access {kind}": partial(access, kind) for kind in ("public", "private", "deleted")},
    "ranks": ranks,
    "verbs of the gateway": lambda: calls("gateway"),
    "metrics": metric_table,
    "log keys": lambda: log_keys(KEYS),
    "log keys of all": lambda: log_keys(ALWAYS),
    "log events": log_events,
}


def written(text: str) -> str:
    """A page's text with its generated blocks as they should be. Raises Wrong."""

    def block(found: re.Match[str]) -> str:
        make = BLOCKS.get(found[2])
        if make is None:
            raise Wrong(f"there is no generated block of the name {found[2]!r}; there are {', '.join(BLOCKS)}")
        return f"{found[1]}\n{make()}\n{found[3]}"

    return BLOCK.sub(block, text)


def pages() -> list[Path]:
    """Every Markdown page of the checkout."""
    found = []
    for folder, inner, files in os.walk(ROOT):
        inner[:] = [name for name in inner if not name.startswith(".") and name != "node_modules"]
        found += [Path(folder) / name for name in files if name.endswith(".md")]
    return sorted(found)


def main() -> None:
    check = sys.argv[1:] == ["--check"]
    stale = []
    for page in pages():
        before = page.read_text()
        try:
            after = written(before)
        except Wrong as problem:
            raise SystemExit(f"{page.relative_to(ROOT)}: {problem}") from None
        if after != before:
            stale.append(str(page.relative_to(ROOT)))
            if not check:
                page.write_text(after)
    if check and stale:
        raise SystemExit(f"Not what the code says any more: {', '.join(stale)}. Run: make docs")


if __name__ == "__main__":
    main()
