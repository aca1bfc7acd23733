"""What a request's body may be: of the right media type, of the right types, of whole characters."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Request, params
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from starlette.responses import Response

from parley_shared.errors import Code, Refused

JSON = "application/json"
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

Rev = Annotated[int, Field(ge=0, le=2**31 - 1, description="The state that the change was made from.", examples=[1])]
ANY_ID = "01a20e11-bcec-751f-8862-9270028e046e"
"""For examples."""


class Body(BaseModel):
    """Types are taken at their word: no number becomes a text. Unknown fields are passed over."""

    model_config = ConfigDict(strict=True, extra="ignore")

    @field_validator("*", mode="after")
    @classmethod
    def _whole_characters(cls, value: object, info: ValidationInfo) -> object:
        """JSON may spell half of a surrogate pair (\\ud800), which is no character and which nothing behind here can carry."""
        if isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise Refused(
                    Code.BAD_TEXT, f"{info.field_name} contains half of a surrogate pair, which is not a character."
                ) from None
        return value


class TypedRoute(APIRoute):
    """Answers 415 to a body of another media type than the route reads, instead of finding fields missing in it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle
        wanted = FORMS if isinstance(self.body_field.field_info, params.Form) else (JSON,)

        async def typed(request: Request) -> Response:
            if _has_body(request) and not _is_one_of(request, wanted):
                raise Refused(Code.UNSUPPORTED_MEDIA_TYPE, f"Content-Type must be {' or '.join(wanted)}.")
            return await handle(request)

        return typed


def _has_body(request: Request) -> bool:
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


def _is_one_of(request: Request, wanted: tuple[str, ...]) -> bool:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return given in wanted or (JSON in wanted and given.startswith("application/") and given.endswith("+json"))
