"""Registration, tokens, sessions, passwords."""

from typing import Annotated, Literal
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Form, Request
from pydantic import Field
from starlette.responses import Response

from parley_gateway import cookies as jar
from parley_gateway.bodies import Body, TypedRoute
from parley_gateway.deps import Caller, Calls, Parts, Peer, Wired, json_answer, nothing
from parley_gateway.reference import answers
from parley_shared.contracts import auth as contract
from parley_shared.contracts.base import Wire
from parley_shared.errors import Code, Refused

router = APIRouter(prefix="/auth", tags=["accounts"], route_class=TypedRoute)


class Registration(Body):
    username: str = Field(examples=["alice"])
    password: str = Field(examples=["a long enough passphrase"])
    display_name: str | None = Field(default=None, examples=["Alice"])
    invite: str | None = None


class RefreshBody(Body):
    refresh_token: str | None = Field(default=None, examples=["tGzv3JOkF0XG5Qx2TlKWIA"])


class PasswordChange(Body):
    current_password: str = Field(examples=["a long enough passphrase"])
    new_password: str = Field(examples=["another long enough passphrase"])


class PasswordReset(Body):
    code: str = Field(examples=["kx7-fq2-9dm"])
    new_password: str = Field(examples=["another long enough passphrase"])


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
    **answers(
        contract.Me, 201, problems="username_taken, weak_password, bad_invite, registration_closed, rate_limited"
    ),
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


@router.post("/token", summary="Sign in", **answers(TokenAnswer, problems="bad_credentials, forbidden, rate_limited"))
async def token(
    request: Request,
    wired: Wired,
    peer: Peer,
    username: Annotated[str, Form(examples=["alice"])],
    password: Annotated[str, Form(examples=["a long enough passphrase"])],
    grant_type: Annotated[Literal["password"] | None, Form()] = None,
    scope: Annotated[str, Form()] = "",
    cookies: Annotated[
        bool, Form(description="For browsers: the refresh token, and access to images, as HttpOnly cookies.")
    ] = False,
) -> Response:
    """The OAuth2 password form."""
    if cookies:
        _demand_own_page(request, wired)
    tokens = await wired.rpc.call(contract.LOGIN, contract.Login(username=username, password=password, client=peer))
    return _answer(request, wired, tokens, cookies=cookies)


@router.post("/refresh", summary="A new pair of tokens", **answers(TokenAnswer, problems="bad_credentials, bad_origin"))
async def refresh(request: Request, wired: Wired, peer: Peer, body: RefreshBody) -> Response:
    """Refresh tokens work once; the answer brings the next. Using an old one again ends the session."""
    found, cookies = _refresh_token(request, wired, body.refresh_token)
    tokens = await wired.rpc.call(contract.REFRESH, contract.Refresh(refresh_token=found, client=peer))
    return _answer(request, wired, tokens, cookies=cookies)


@router.post("/logout", summary="End this session", **answers(None, 204, problems="bad_origin"))
async def logout(request: Request, wired: Wired, body: RefreshBody) -> Response:
    """Its tokens and sockets end with it, everywhere, within two seconds."""
    found, cookies = _refresh_token(request, wired, body.refresh_token)
    await wired.rpc.call(contract.LOGOUT, contract.Logout(refresh_token=found))
    answer = nothing()
    if cookies:
        jar.REFRESH.take_back(answer, request, wired.settings)
        jar.IMAGES.take_back(answer, request, wired.settings)
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


def _refresh_token(request: Request, wired: Parts, in_body: str | None) -> tuple[str, bool]:
    """The token, and whether it came as a cookie; then the request must come from an allowed page. That it is JSON is TypedRoute's."""
    if in_body is not None:
        return in_body, False
    found = jar.REFRESH.read(request, wired.settings)
    if found is None:
        raise Refused(Code.INVALID, "There is no refresh token.", errors={"refresh_token": "missing"})
    _demand_own_page(request, wired)
    return found, True


def _demand_own_page(request: Request, wired: Parts) -> None:
    origin = request.headers.get("origin")
    if origin is not None:
        page = urlsplit(origin)
        # Whoever can write into plain HTTP can serve a page of this host's name: under TLS that one is not ours.
        own = page.netloc == request.headers.get("host") and (
            page.scheme == "https" or not jar.by_tls(request, wired.settings)
        )
        if own or origin == wired.settings.public_url.rstrip("/") or origin in wired.settings.allowed_origins:
            return
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
        jar.REFRESH.give(answer, request, wired.settings, tokens.refresh_token, tokens.refresh_expires_in)
        jar.IMAGES.give(answer, request, wired.settings, tokens.access_token, tokens.expires_in)
    return answer
