"""OpenAPI that is whole: response schemas come from the contracts themselves."""

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from parley_gateway.examples import example
from parley_shared.contracts.base import Wire

PROBLEM = {
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

_PROBLEM_CONTENT = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_documented: dict[str, type[Wire]] = {}


def answers(
    reply: type[Wire] | None, status: int = 200, *, also: int | None = None, problems: str = ""
) -> dict[str, Any]:
    """Keyword arguments of a route: its status, its reply's schema, and which problems it knows beside the common ones."""
    content: dict[str, Any] = {}
    if reply is not None:
        _documented[reply.__name__] = reply
        content = {
            "content": {
                "application/json": {
                    "schema": {"$ref": f"#/components/schemas/{reply.__name__}"},
                    "example": example(reply),
                }
            },
        }
    responses: dict[int | str, dict[str, Any]] = {status: {"description": "Done.", **content}}
    if also is not None:
        responses[also] = {"description": "It was so already.", **content}
    responses["4XX"] = {"description": f"A problem document. {problems}".strip(), "content": _PROBLEM_CONTENT}
    responses["5XX"] = {
        "description": "A problem document. unavailable: send it again after retry_after_ms.",
        "content": _PROBLEM_CONTENT,
    }
    return {"status_code": status, "responses": responses, "response_model": None}


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
            schemas["Problem"] = PROBLEM
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            for path in schema["paths"].values():
                for operation in path.values():
                    # FastAPI's own 422 would promise another document than the one that is sent.
                    operation.get("responses", {}).pop("422", None)
                    for content in operation.get("requestBody", {}).get("content", {}).values():
                        content["example"] = _request_example(schemas[content["schema"]["$ref"].rpartition("/")[2]])
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it
