"""The OAuth 2 token endpoint: client credentials by secret or by private_key_jwt; errors of RFC 6749."""

import base64
import binascii
from typing import Annotated, Final
from urllib.parse import unquote_plus

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import JSONResponse

from people.api_parts import Out, network_address, problems
from people.model import Scope
from people.oauth import ASSERTION_TYPE, ClientRefused, Granted, ScopeRefused
from people.service import People

Parameter = Annotated[str | None, Form(max_length=4096)]

_FORM_ERRORS: Final = "RFC 6749 5.2: `error` says which."


class TokenOut(Out):
    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - RFC 6749's word
    expires_in: int
    scope: str


class OAuthErrorOut(Out):
    error: str
    error_description: str


def routes(people: People) -> APIRouter:
    """One route."""
    router = APIRouter(prefix="/v1/oauth", tags=["carrier"])
    described = {"model": OAuthErrorOut, "description": _FORM_ERRORS}

    @router.post(
        "/token", response_model=TokenOut, summary="Access token",
        responses={400: described, 401: described, **problems(422, 429)},
    )  # fmt: skip
    async def token(
        request: Request,
        grant_type: Parameter = None,
        scope: Parameter = None,
        client_id: Parameter = None,
        client_secret: Parameter = None,
        client_assertion_type: Parameter = None,
        client_assertion: Parameter = None,
    ) -> Response:
        """OAuth 2 client credentials: HTTP Basic, secret in the form, or ``private_key_jwt`` (RFC 7523)."""
        now = people.clock.now()
        await people.doorkeeper.redeems(network_address(request), now=now)
        if grant_type != "client_credentials":
            return _refusal(400, "unsupported_grant_type", "Only client_credentials.")
        wanted = _scopes(scope)
        if scope and wanted is None:
            return _refusal(400, "invalid_scope", "There is no such scope.")
        by_header = _basic(request.headers.get("authorization"))
        if sum(way is not None for way in (by_header, client_secret, client_assertion)) != 1:
            return _refusal(401, "invalid_client", "Authenticate in exactly one way.")
        if client_assertion is not None and client_assertion_type != ASSERTION_TYPE:
            return _refusal(400, "invalid_request", "This client_assertion_type is not known.")
        try:
            if client_assertion is not None:
                granted = await people.carrier_tokens.by_assertion(
                    client_id, client_assertion, wanted, now=now
                )
            else:
                name, secret = by_header or (client_id or "", client_secret or "")
                granted = await people.carrier_tokens.by_secret(name, secret, wanted, now=now)
        except ClientRefused as refused:
            return _refusal(401, "invalid_client", refused.detail)
        except ScopeRefused as refused:
            return _refusal(400, "invalid_scope", refused.detail)
        return _granted(granted)

    return router


def _granted(granted: Granted) -> Response:
    out = TokenOut(access_token=granted.token, expires_in=granted.seconds, scope=" ".join(granted.scopes))
    return JSONResponse(out.model_dump(), headers={"Cache-Control": "no-store"})


def _refusal(status: int, error: str, description: str) -> Response:
    headers = {"Cache-Control": "no-store"}
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="trunkline"'
    return JSONResponse({"error": error, "error_description": description}, status, headers=headers)


def _scopes(scope: str | None) -> frozenset[Scope] | None:
    known = {str(one): one for one in Scope}
    asked_for = (scope or "").split()
    return (
        frozenset(known[one] for one in asked_for) if asked_for and set(asked_for) <= known.keys() else None
    )


def _basic(header: str | None) -> tuple[str, str] | None:
    """RFC 6749 2.3.1: both halves are form-encoded. Nonsense counts as a wrong secret."""
    if header is None or not header.lower().startswith("basic "):
        return None
    try:
        name, _, secret = base64.b64decode(header[6:].strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return "", ""
    return unquote_plus(name), unquote_plus(secret)
