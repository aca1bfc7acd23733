"""OpenAPI that is whole: response schemas come from the contracts themselves, and each problem has its place."""

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from parley_gateway.examples import example
from parley_gateway.problems import MEDIA_TYPE, title
from parley_shared.contracts.base import Wire
from parley_shared.errors import STATUS, Code

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457. `code` is stable; `detail` is for people.",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {"type": "object", "additionalProperties": {"type": "string"}},
        "retry_after_ms": {"type": "integer"},
        "current": {"description": "In a 409 rev_conflict: the present state."},
    },
    "example": {
        "type": "about:blank",
        "title": "Not found",
        "status": 404,
        "detail": "There is no such room, or you may not see it.",
        "code": "not_found",
        "request_id": "01a20e11-bcec-751f-8862-9270028e046e",
    },
}

_BYTES = {"type": "string", "format": "binary"}
_SCHEMAS: dict[str, dict[str, Any]] = {
    "Problem": PROBLEM,
    "Upload": {
        "type": "object",
        "description": "multipart/form-data, RFC 7578.",
        "required": ["file"],
        "properties": {"file": {**_BYTES, "examples": ["(the bytes of an image)"]}},
    },
}
"""What no contract describes."""
UPLOAD: dict[str, Any] = {
    "required": True,
    "content": {"multipart/form-data": {"schema": {"$ref": "#/components/schemas/Upload"}}},
}
"""A body that is one file."""

_NAMED = "x-problems"
"""Where a route's own codes wait until the document is made."""
_SIGNED_IN = (Code.UNAUTHENTICATED, Code.BAD_TOKEN, Code.TOKEN_EXPIRED)
_WITH_BODY = (Code.BAD_REQUEST, Code.BAD_TEXT, Code.TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE)
_ALWAYS = (Code.UNAVAILABLE, Code.INTERNAL)

_documented: dict[str, type[Wire]] = {}


def answers(
    reply: type[Wire] | None,
    status: int = 200,
    *,
    also: int | None = None,
    problems: str = "",
    media: str = "application/json",
    body: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Keyword arguments of a route: its status, its reply's schema, and its own problems, separated by commas.

    media: of the reply; of a file of lines, reply is one line. body: what the route reads by itself, as UPLOAD.

    Those that follow from its parameters, its body or its token are known without being named (see `_codes`).
    """
    content: dict[str, Any] = {}
    if reply is not None:
        _documented[reply.__name__] = reply
        content = {
            "content": {
                media: {"schema": {"$ref": f"#/components/schemas/{reply.__name__}"}},
            },
        }
    responses: dict[int | str, dict[str, Any]] = {status: {"description": "Done.", **content}}
    if also is not None:
        responses[also] = {"description": "It was so already.", **content}
    named = [Code(code.strip()) for code in problems.split(",") if code.strip()]
    extra: dict[str, Any] = {_NAMED: named} if body is None else {_NAMED: named, "requestBody": body}
    return {
        "status_code": status,
        "responses": responses,
        "response_model": None,
        "openapi_extra": extra,
    }


def file_answers() -> dict[str, Any]:
    """As `answers`, of a route that answers an image's bytes, or a range of them."""
    content = {"image/*": {"schema": _BYTES, "example": "(the bytes)"}}
    return {
        "responses": {
            200: {"description": "All of it.", "content": content},
            206: {"description": "The range that was asked for.", "content": content},
            304: {"description": "Nothing has changed since."},
        },
        "response_model": None,
        "openapi_extra": {_NAMED: [Code.BAD_RANGE]},
    }


def _codes(path: str, operation: dict[str, Any], named: list[Code]) -> list[Code]:
    """Every problem that an operation may answer with."""
    parameters = {parameter["name"] for parameter in operation.get("parameters", ())}
    codes = list(named)
    if "security" in operation:
        codes += _SIGNED_IN
    if "{" in path:
        codes.append(Code.NOT_FOUND)
    if "requestBody" in operation:
        codes += _WITH_BODY
    if parameters or "requestBody" in operation:
        codes.append(Code.INVALID)
    if "cursor" in parameters:
        codes.append(Code.BAD_CURSOR)
    return list(dict.fromkeys((*codes, *_ALWAYS)))


def _described(codes: list[Code], named: list[Code]) -> dict[str, Any]:
    """OpenAPI responses: one for refusals and one for failures, with an example of each code."""
    said = {
        "4XX": f"A problem document. {', '.join(named)}".strip(),
        "5XX": "A problem document. unavailable: send it again after retry_after_ms.",
    }
    return {
        statuses: {
            "description": description,
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {
                        str(code): {"value": _problem(code)}
                        for code in codes
                        if str(STATUS[code].value)[0] == statuses[0]
                    },
                }
            },
        }
        for statuses, description in said.items()
    }


def _problem(code: Code) -> dict[str, Any]:
    said = {
        "title": title(code),
        "status": STATUS[code].value,
        "detail": "What happened, for people.",
        "code": str(code),
    }
    return {**PROBLEM["example"], **said}


def _give_examples(responses: dict[str, Any]) -> None:
    """Only now: FastAPI leaves out of an example whatever is null, which a reader of it may not."""
    for answer in responses.values():
        for content in answer.get("content", {}).values():
            reply = _documented.get(content.get("schema", {}).get("$ref", "").rpartition("/")[2])
            if reply is not None:
                content["example"] = example(reply)


def _request_example(schema: dict[str, Any]) -> dict[str, Any]:
    """The fields that say what they look like."""
    return {name: field["examples"][0] for name, field in schema["properties"].items() if "examples" in field}


def operation_id(route: APIRoute) -> str:
    """What generated clients call it: the function's own name."""
    return route.name


def install(app: FastAPI) -> None:
    """Make `app.openapi()` carry the contracts' schemas."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            _, components = msgspec.json.schema_components(
                list(_documented.values()), ref_template="#/components/schemas/{name}"
            )
            schemas = schema.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(components)
            schemas.update(_SCHEMAS)
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            for path, operations in schema["paths"].items():
                for operation in operations.values():
                    # FastAPI's own 422 would promise another document than the one that is sent.
                    operation["responses"].pop("422", None)
                    _give_examples(operation["responses"])
                    if _NAMED in operation:
                        named = operation.pop(_NAMED)
                        operation["responses"].update(_described(_codes(path, operation, named), named))
                    for content in operation.get("requestBody", {}).get("content", {}).values():
                        content["example"] = _request_example(schemas[content["schema"]["$ref"].rpartition("/")[2]])
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it
