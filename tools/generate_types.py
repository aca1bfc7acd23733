"""Writes the TypeScript types of the protocol, from the documents that the gateway serves.

/openapi.json and the frames of /asyncapi.json describe the same objects, so they become one file. Frames are named by the side
that sends them: `SendCommand` comes from a client, `ReadyFrame` from the server.

    generate_types.py            # write the file
    generate_types.py --check    # exit code 1 if it is not what would be written
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast, get_args

import msgspec

from parley_gateway.app import make_app
from parley_gateway.settings import Settings
from parley_shared.contracts import frames

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "clients" / "typescript" / "src" / "generated" / "protocol.gen.ts"
GENERATOR = ROOT / "clients" / "typescript" / "tools" / "types.ts"
NODE = Path(sys.executable).parent / "node"
PREFIX = "/api/v1"
REFERENCE = "#/components/schemas/{name}"

Schema = dict[str, Any]


def document() -> Schema:
    """The OpenAPI document as far as types come from it, and the frames as further schemas of it."""
    parts = SimpleNamespace(settings=Settings.model_construct(), sampler=None)
    found = make_app(cast(Any, parts), "1").openapi()
    schemas = found["components"]["schemas"]
    for name, schema in frame_schemas().items():
        if schemas.setdefault(name, schema) != schema:
            raise SystemExit(f"{name} is one thing in OpenAPI and another in the frames.")
    found["paths"] = {
        path.removeprefix(PREFIX): {method: _outline(operation) for method, operation in operations.items()}
        for path, operations in found["paths"].items()
        if path.startswith(PREFIX)
    }
    # Bodies of one name in two modules: the module's path is of no interest to clients.
    return cast(Schema, json.loads(re.sub(r"parley_gateway__routes__(\w+?)__(\w+)", _short, json.dumps(found))))


def _outline(operation: Schema) -> Schema:
    """Without examples and refusals: these are problem documents everywhere."""
    answers = {}
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            content = {kind: {"schema": media["schema"]} for kind, media in answer.get("content", {}).items()}
            answers[status] = {"description": answer["description"], "content": content}
    return {**operation, "responses": answers}


def _short(found: re.Match[str]) -> str:
    return found[2] + found[1].title()


def frame_schemas() -> dict[str, Schema]:
    """The schemas of all frames and of what they are made of, by the names that clients know them by."""
    commands = list(get_args(frames.ClientFrame))
    answers = frames.Frame.__subclasses__()
    names = {kind: f"{kind.__name__}Command" for kind in commands}
    names |= {kind: f"{kind.__name__.removesuffix('Frame')}Frame" for kind in answers}
    found, components = msgspec.json.schema_components(list(names), ref_template=REFERENCE)
    renamed = {entry["$ref"]: REFERENCE.format(name=names[kind]) for entry, kind in zip(found, names, strict=True)}

    def walk(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: renamed.get(value, value) if key == "$ref" else walk(value) for key, value in node.items()}
        return [walk(item) for item in node] if isinstance(node, list) else node

    schemas = {}
    for name, schema in components.items():
        target = REFERENCE.format(name=name)
        schemas[renamed.get(target, target).rpartition("/")[2]] = walk(schema)
    for union, kinds in (("ClientFrame", commands), ("ServerFrame", answers)):
        schemas[union] = {"anyOf": [{"$ref": REFERENCE.format(name=names[kind])} for kind in kinds]}
    return schemas


def generated() -> str:
    done = subprocess.run(
        [str(NODE), str(GENERATOR)], input=json.dumps(document()), capture_output=True, text=True, cwd=ROOT, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def main() -> None:
    text = generated()
    if sys.argv[1:] == ["--check"]:
        if not TARGET.exists() or TARGET.read_text() != text:
            raise SystemExit(f"{TARGET.relative_to(ROOT)} is not what the gateway serves any more. Run: make types")
        return
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(text)


if __name__ == "__main__":
    main()
