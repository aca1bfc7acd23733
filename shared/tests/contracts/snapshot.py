"""The wire as it was promised: a JSON Schema of every contract, and whether today's still keeps that promise.

`<owner>.json` holds each verb's request and reply, `frames.json` the WebSocket's frames, `live.json` the hints. A change that
only adds passes as it is. Write the snapshots again with

    python shared/tests/contracts/snapshot.py

when something was added, so that it is promised from then on. What breaks the promise belongs into a `v2` beside `v1`;
only for what was never released there is `--break`, which writes the snapshots all the same.
"""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from parley_shared.contracts import frames, live
from parley_shared.messaging.permissions import contracts

FOLDER = Path(__file__).parent
OWNERS = ("auth", "media", "messages", "presence", "search")
NAMES = (*OWNERS, "frames", "live")

Schema = dict[str, Any]  # Any: JSON Schema


def describe(name: str) -> Schema:
    """What crosses the wire today. in: read by the owner; out: written by the owner. Each value names a type in `$defs`."""
    if name in OWNERS:
        import_module(f"parley_shared.contracts.{name}")
        verbs = [rpc for rpc in contracts() if rpc.owner == name]
        wires = {rpc.subject: {"in": rpc.request, "out": rpc.reply, "callers": sorted(rpc.callers)} for rpc in verbs}
    else:
        module = frames if name == "frames" else live
        structs = [
            value
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, msgspec.Struct) and value.__module__ == module.__name__
        ]
        wires = {
            struct.__name__: {"in" if issubclass(struct, frames.Command) else "out": struct}
            for struct in structs
            if name == "live" or (struct.__struct_config__.tag is not None)
        }
    types = [wire[side] for wire in wires.values() for side in ("in", "out") if side in wire]
    schemas, definitions = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    found = iter(schemas)
    described = {
        key: {side: next(found) if side in ("in", "out") else value for side, value in wire.items()}
        for key, wire in wires.items()
    }
    return {"wire": dict(sorted(described.items())), "$defs": dict(sorted(definitions.items()))}


def broken(old: Schema, new: Schema) -> list[str]:
    """How `new` breaks what `old` promised; empty if it only adds."""
    found = []
    for key, before in old["wire"].items():
        after = new["wire"].get(key)
        if after is None:
            found.append(f"{key} is gone")
            continue
        lost = set(before.get("callers", [])) - set(after.get("callers", []))
        found += [f"{key}: {caller} may no longer call it" for caller in sorted(lost)]
        if "in" in before:
            # Who has not been updated still writes the old request; the new owner must read it.
            found += _Reading(new, old, f"{key} (in)", gone_from="reader").check(after["in"], before["in"])
        if "out" in before:
            found += _Reading(old, new, f"{key} (out)", gone_from="writer").check(before["out"], after["out"])
    return found


class _Reading:
    """Whether one version reads what another writes. gone_from: whose missing field means that a field was removed."""

    def __init__(self, reader: Schema, writer: Schema, where: str, *, gone_from: str) -> None:
        self._reader, self._writer = reader["$defs"], writer["$defs"]
        self._where = where
        self._gone_from = gone_from
        self._seen: set[tuple[str, str]] = set()

    def check(self, reader: Schema, writer: Schema, path: str = "") -> list[str]:
        pair = (reader.get("$ref", ""), writer.get("$ref", ""))
        if all(pair):
            if pair in self._seen:
                return []
            self._seen.add(pair)
        reader, writer = _resolved(reader, self._reader), _resolved(writer, self._writer)
        choices, written = _choices(reader), _choices(writer)
        if len(choices) == len(written) == 1:
            return self._one(choices[0], written[0], path)
        found = []
        for choice in written:
            attempts = [self._one(other, _resolved(choice, self._writer), path) for other in self._resolved(choices)]
            if all(attempts):
                found += min(attempts, key=len)
        return found

    def _resolved(self, choices: list[Schema]) -> list[Schema]:
        return [_resolved(choice, self._reader) for choice in choices]

    def _one(self, reader: Schema, writer: Schema, path: str) -> list[str]:
        place = f"{self._where} {path or 'itself'}"
        if not _constraints(reader):
            return []
        kind, written = reader.get("type"), writer.get("type")
        if kind != written and (kind, written) != ("number", "integer"):
            return [f"{place}: {written or 'anything'} where {kind or 'one of a list'} is read"]
        allowed, values = _values(reader), _values(writer)
        if allowed is not None and (values is None or not values <= allowed):
            surplus = "anything" if values is None else ", ".join(sorted(map(str, values - allowed)))
            return [f"{place}: {surplus} is not among what is read"]
        for key in set(reader) - {"type", "enum", "const", "properties", "required", "items", "default", "title", "description", "additionalProperties"}:  # fmt: skip
            if reader[key] != writer.get(key):
                return [f"{place}: {key} is {reader[key]} for who reads, {writer.get(key)} for who writes"]
        found = []
        if "properties" in reader or "properties" in writer:
            found += self._fields(reader, writer, path)
        for key in ("items", "additionalProperties"):
            inner = reader.get(key)
            if isinstance(inner, dict) and inner:
                found += self.check(inner, writer.get(key, {}) or {}, f"{path}[]")
        return found

    def _fields(self, reader: Schema, writer: Schema, path: str) -> list[str]:
        read, written = reader.get("properties", {}), writer.get("properties", {})
        before, after = (written, read) if self._gone_from == "reader" else (read, written)
        found = [f"{self._where} {path}.{name}: the field is gone" for name in before if name not in after]
        sure = set(writer.get("required", []))
        found += [
            f"{self._where} {path}.{name}: required by who reads, not always written"
            for name in reader.get("required", [])
            if name not in sure and (name in after)
        ]
        for name in read:
            if name in written:
                found += self.check(read[name], written[name], f"{path}.{name}")
        return found


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    while "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    return schema


def _choices(schema: Schema) -> list[Schema]:
    return list(schema["anyOf"]) if "anyOf" in schema else [schema]


def _constraints(schema: Schema) -> set[str]:
    """What it demands; a schema that demands nothing reads anything."""
    return set(schema) - {"default", "title", "description"}


def _values(schema: Schema) -> set[Any] | None:
    if "const" in schema:
        return {schema["const"]}
    return set(schema["enum"]) if "enum" in schema else None


def load(name: str) -> Schema:
    """The snapshot. Raises FileNotFoundError where there is none yet."""
    return dict(json.loads((FOLDER / f"{name}.json").read_text()))


def write(name: str, content: Schema) -> None:
    text = json.dumps(content, indent=1, sort_keys=True, default=str)
    (FOLDER / f"{name}.json").write_text(text + "\n")


def main() -> None:
    """Write all snapshots again; refuses to forget a promise unless told `--break`."""
    for name in NAMES:
        now = json.loads(json.dumps(describe(name), default=str))
        before = load(name) if (FOLDER / f"{name}.json").exists() else {"wire": {}, "$defs": {}}
        faults = broken(before, now)
        if faults and sys.argv[1:] != ["--break"]:
            raise SystemExit("\n".join([f"{name} breaks what was promised:", *faults]))
        write(name, now)


if __name__ == "__main__":
    main()
