"""Registration, tokens, sessions, passwords."""

from typing import Annotated, Literal
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Form, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from starlette.responses import Response

from parley_gateway.deps import Caller, Calls, Parts, Peer, Wired, json_answer, nothing
from parley_gateway.reference import answers
from parley_shared.contracts import auth as contract
from parley_shared.contracts.base import Wire
from parley_shared.errors import Code, Refused

router = APIRouter(prefix="/auth", tags=["accounts"])

COOKIE_PATH = "/api/v1/auth"


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


class Registration(Body):
    username: str = Field(examples=["alice"])
    password: str = Field(examples=["a long enough passphrase"])
    display_name: str | None = Field(default=None, examples=["Alice"])
    invite: str | None = None


class RefreshBody(Body):
    refresh_token: str | None = None


class PasswordChange(Body):
    current_password: str
    new_password: str


class PasswordReset(Body):
    code: str
    new_password: str


class TokenAnswer(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 6749. With cookies=true the refresh token is in a cookie instead."""

    access_token: str
    token_type: str
    expires_in: int
    user_id: UUID
    session_id: UUID
    refresh_token: str | None = None


@router.post(
    "/register",
    summary="Register",
    **answers(contract.Me, 201, problems="username_taken, weak_password, bad_invite, rate_limited"),
)
async def register(body: Registration, rpc: Calls, peer: Peer) -> Response:
    """A new account. `invite` where registration is by invitation, or for the first admin."""
    me = await rpc.call(
        contract.REGISTER,
        contract.Register(
            username=body.username,
            password=body.password,
            display_name=body.display_name,
            invite=body.invite,
            client=peer,
        ),
    )
    return json_answer(me, 201)


@router.post("/token", summary="Sign in", **answers(TokenAnswer, problems="bad_credentials, rate_limited"))
async def token(
    request: Request,
    wired: Wired,
    peer: Peer,
    username: Annotated[str, Form()],
    password: Annotated[str, Form()],
    grant_type: Annotated[Literal["password"] | None, Form()] = None,
    scope: Annotated[str, Form()] = "",
    cookies: Annotated[bool, Form(description="For browsers: the refresh token as an HttpOnly cookie.")] = False,
) -> Response:
    """The OAuth2 password form."""
    if cookies:
        _demand_own_page(request, wired)
    tokens = await wired.rpc.call(contract.LOGIN, contract.Login(username=username, password=password, client=peer))
    return _answer(request, wired, tokens, cookies=cookies)


@router.post("/refresh", summary="A new pair of tokens", **answers(TokenAnswer, problems="bad_credentials"))
async def refresh(request: Request, wired: Wired, peer: Peer, body: RefreshBody) -> Response:
    """Refresh tokens work once; the answer brings the next. Using an old one again ends the session."""
    found, cookies = _refresh_token(request, wired, body.refresh_token)
    tokens = await wired.rpc.call(contract.REFRESH, contract.Refresh(refresh_token=found, client=peer))
    return _answer(request, wired, tokens, cookies=cookies)


@router.post("/logout", summary="End this session", **answers(None, 204))
async def logout(request: Request, wired: Wired, body: RefreshBody) -> Response:
    """Its tokens and sockets end with it, everywhere, within two seconds."""
    found, cookies = _refresh_token(request, wired, body.refresh_token)
    await wired.rpc.call(contract.LOGOUT, contract.Logout(refresh_token=found))
    answer = nothing()
    if cookies:
        answer.delete_cookie(_cookie_name(request, wired), path=COOKIE_PATH)
    return answer


@router.get("/sessions", summary="My sessions", **answers(contract.Sessions))
async def sessions(caller: Caller, rpc: Calls) -> Response:
    return json_answer(await rpc.call(contract.SESSIONS, contract.OnlyActor(actor=caller)))


@router.delete("/sessions/{session_id}", summary="End a session", **answers(None, 204))
async def end_session(session_id: UUID, caller: Caller, rpc: Calls) -> Response:
    await rpc.call(contract.END_SESSION, contract.EndSession(actor=caller, session_id=session_id))
    return nothing()


@router.post(
    "/password", summary="Change the password", **answers(None, 204, problems="bad_credentials, weak_password")
)
async def change_password(body: PasswordChange, caller: Caller, rpc: Calls) -> Response:
    """The other sessions end; this one needs a new access token (POST /auth/refresh)."""
    await rpc.call(
        contract.CHANGE_PASSWORD,
        contract.ChangePassword(actor=caller, current_password=body.current_password, new_password=body.new_password),
    )
    return nothing()


@router.post(
    "/reset", summary="Set a password with an admin's code", **answers(None, 204, problems="bad_code, weak_password")
)
async def reset(body: PasswordReset, rpc: Calls, peer: Peer) -> Response:
    await rpc.call(
        contract.RESET_PASSWORD,
        contract.ResetPassword(code=body.code, new_password=body.new_password, client=peer),
    )
    return nothing()


def _secure(request: Request, wired: Parts) -> bool:
    return request.url.scheme == "https" or wired.settings.public_url.startswith("https://")


def _cookie_name(request: Request, wired: Parts) -> str:
    return "__Secure-parley_refresh" if _secure(request, wired) else "parley_refresh"


def _refresh_token(request: Request, wired: Parts, in_body: str | None) -> tuple[str, bool]:
    """The token, and whether it came as a cookie; then the request must be JSON of an allowed page."""
    if in_body is not None:
        return in_body, False
    found = request.cookies.get(_cookie_name(request, wired))
    if found is None:
        raise Refused(Code.INVALID, "There is no refresh token.", errors={"refresh_token": "missing"})
    _demand_own_page(request, wired)
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise Refused(Code.UNSUPPORTED_MEDIA_TYPE, "With a cookie, the request must be application/json.")
    return found, True


def _demand_own_page(request: Request, wired: Parts) -> None:
    origin = request.headers.get("origin")
    own = origin is not None and urlsplit(origin).netloc == request.headers.get("host")
    if not own and origin not in wired.settings.allowed_origins:
        raise Refused(Code.BAD_ORIGIN, "Cookies are for pages of this host and of allowed origins only.")


def _answer(request: Request, wired: Parts, tokens: contract.Tokens, *, cookies: bool) -> Response:
    answer = json_answer(
        TokenAnswer(
            access_token=tokens.access_token,
            token_type=tokens.token_type,
            expires_in=tokens.expires_in,
            user_id=tokens.user_id,
            session_id=tokens.session_id,
            refresh_token=None if cookies else tokens.refresh_token,
        )
    )
    if cookies:
        answer.set_cookie(
            _cookie_name(request, wired),
            tokens.refresh_token,
            max_age=tokens.refresh_expires_in,
            path=COOKIE_PATH,
            secure=_secure(request, wired),
            httponly=True,
            samesite="strict",
        )
    return answer
