"""What phone and unit say to each other on the local link: closed, strict messages, whatever carries them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from keys.car.claims import Count
from keys.car.frames import pack
from keys.car.jws import Unacceptable, read_json

VERSION: Final = 1
"""Of this conversation. A unit that does not speak the phone's answers ``version``."""

Token = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,8000}$")]
"""The compact form of a signed object; what it must be in detail its reader knows."""
Name = Annotated[str, Field(min_length=1, max_length=100)]
Code = Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]


class Malformed(Exception):
    """A frame that is none of the messages; the only exception reading one raises."""


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Hello(_Said):
    """``{"hello": 1}``: the first frame of a connection."""

    hello: Annotated[int, Field(ge=1, le=2**31)]


class _Challenge(_Said):
    link: Name


class AskChallenge(_Said):
    """``{"challenge": {"link": name}}``. The name is for the phone: the connection is the link."""

    challenge: _Challenge


class _Present(_Said):
    key: Annotated[Token, Field(repr=False)]
    proof: Annotated[Token, Field(repr=False)]
    fresh: Annotated[Token, Field(repr=False)] = ""


class AskPresent(_Said):
    """``{"present": {"key": ..., "proof": ..., "fresh": ...}}``; ``fresh`` only where the challenge asked."""

    present: _Present


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class BringBundle(_Said):
    """``{"bundle": [jws, ...]}``: a trust bundle, each root's signature as a compact JWS of its own."""

    bundle: Annotated[
        tuple[Token, ...],
        BeforeValidator(_as_tuple),
        Field(min_length=1, max_length=8),
    ]


class _After(_Said):
    after: Count


class AskReceipts(_Said):
    """``{"receipts": {"after": n}}``: those of the key that was proven in this connection, above ``n``."""

    receipts: _After


Ask = Hello | AskChallenge | AskPresent | BringBundle | AskReceipts
_ASKS: Final[Mapping[str, type[Ask]]] = {
    "hello": Hello,
    "challenge": AskChallenge,
    "present": AskPresent,
    "bundle": BringBundle,
    "receipts": AskReceipts,
}


def read_ask(frame: bytes) -> Ask:
    """What a phone says in one frame. Raises ``Malformed``."""
    document = _read(frame)
    model = _ASKS.get(next(iter(document)))
    if model is None:
        raise Malformed
    try:
        return model.model_validate(document)
    except ValidationError as cause:
        raise Malformed from cause


def hello() -> bytes:
    """The frame that begins a conversation."""
    return pack({"hello": VERSION})


def ask_challenge(link: str) -> bytes:
    """The frame that asks for a challenge."""
    return pack({"challenge": {"link": link}})


def present(key: str, proof: str, fresh: str | None = None) -> bytes:
    """The frame that presents a key. Raises ``TooLong``."""
    brought = {"key": key, "proof": proof}
    return pack({"present": brought if fresh is None else {**brought, "fresh": fresh}})


def bring_bundle(signed: tuple[str, ...]) -> bytes:
    """The frame that brings a trust bundle. Raises ``TooLong``."""
    return pack({"bundle": list(signed)})


def ask_receipts(after: int) -> bytes:
    """The frame that asks for receipts above a chain number."""
    return pack({"receipts": {"after": after}})


def ok(data: Mapping[str, Any]) -> bytes:
    """The unit's answer that something was done. Raises ``TooLong``."""
    return pack({"ok": dict(data)})


def no(code: str) -> bytes:
    """The unit's answer that it was not, with the one word why."""
    return pack({"no": code})


@dataclass(frozen=True, slots=True)
class Said:
    """The unit's answer: ``ok`` with data, or ``no`` with a code (then ``ok`` is None)."""

    ok: Mapping[str, Any] | None
    no: str = ""


class _No(_Said):
    no: Code


class _Ok(_Said):
    ok: dict[str, Any]


def read_answer(frame: bytes) -> Said:
    """What a unit says in one frame. Raises ``Malformed``."""
    document = _read(frame)
    try:
        if "no" in document:
            return Said(None, _No.model_validate(document).no)
        return Said(_Ok.model_validate(document).ok)
    except ValidationError as cause:
        raise Malformed from cause


def _read(frame: bytes) -> dict[str, Any]:
    """An object with exactly one member."""
    try:
        document = read_json(frame)
    except Unacceptable as cause:
        raise Malformed from cause
    if len(document) != 1:
        raise Malformed
    return document
