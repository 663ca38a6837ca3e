"""The one question to an owner: exactly what was shown, its links, and the decision. Pure."""

import hmac
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, Literal

from pydantic import AwareDatetime, Field

from delivery.model import Frozen, Level, Read
from delivery.place import Anywhere, Circle, Place, Point, Polygon
from delivery.problems import LinkUnknown, OtherDecision, QuestionOver
from delivery.states import State
from keys.car.claims import DEFAULT_FRA, MAX_FRA, OwnerSignature
from keys.drafts import Draft
from people.assertions import Assertion
from people.model import CarrierView, CourierView
from spine.ids import PersonId, QuestionId, partition_of, prefix_of
from spine.store import Saved

Decision = Literal["approve", "decline"]
_SECRET: Final = 32


class Link(Frozen):
    """A link of a mail: its token's hash, who got it, and the entry of the e-mail it went to (``people.persons``)."""

    hash: str
    person: PersonId
    at: AwareDatetime
    entry: str = ""


class Changed(Frozen):
    """What an owner allowed after the answer: more time, another place."""

    by: PersonId
    at: AwareDatetime
    until: AwareDatetime | None = None
    place: Place | None = Field(default=None, repr=False)


class Decided(Frozen):
    """The decision and how it came.

    ``source``: ``link:<token hash>``, ``session:<id>``, ``system:<src_>`` or ``standing:<rule>``. ``record``:
    for a linked system what proves the message (its id, MAC and body hash), for a standing approval the rule.
    ``fra``: seconds, how old revocation news may be at opening; None: the default. ``not_me``: the owner
    ordered nothing of the kind.
    """

    answer: Decision
    silent: bool = False
    not_me: bool = False
    by: PersonId | None
    level: Level
    at: AwareDatetime
    source: str
    record: Mapping[str, str] = Field(default_factory=dict)
    fra: int | None = None
    own: OwnerSignature | None = Field(default=None, repr=False)
    """The signature of the owner's passkey, where the question has something to sign."""
    passkey: str | None = None
    """Which passkey of that person proved it, at level ``passkey``."""
    assertion: Assertion | None = Field(default=None, repr=False)
    """What it signed (``delivery.gesture``); None where ``own`` is that proof."""


class Question(Frozen):
    """The body of ``qst_<delivery body>.<n>``. ``shown``: canonical JSON, ``digest``: its SHA-256 in hex."""

    shown: str = Field(repr=False)
    digest: str
    expires_at: AwareDatetime
    links: tuple[Link, ...] = ()
    blocks: tuple[Link, ...] = ()
    """Links that block the delivery and can do nothing else."""
    decided: Decided | None = None
    changed: tuple[Changed, ...] = ()

    @classmethod
    def of(cls, saved: Saved) -> "Question | None":
        """None where it never was, or its content is erased."""
        return cls.model_validate_json(saved.body) if saved.version and not saved.ended else None

    def content(self) -> dict[str, Any]:
        """What was shown, as values."""
        content: dict[str, Any] = json.loads(self.shown)
        return content


class Answer(Frozen):
    """Somebody's answer on its way in. ``shown``: SHA-256 of what that person saw."""

    decision: Decision
    shown: str
    silent: bool = False
    by: PersonId | None
    level: Level
    source: str
    record: Mapping[str, str] = Field(default_factory=dict)
    fra: int | None = None
    not_me: bool = False
    own: OwnerSignature | None = Field(default=None, repr=False)
    passkey: str | None = None
    assertion: Assertion | None = Field(default=None, repr=False)

    @property
    def news_age(self) -> int | None:
        """How old revocation news may be, in seconds; None for the default, said or not, and for a no."""
        return None if self.decision == "decline" or self.fra == DEFAULT_FRA else self.fra


def canonical(content: Mapping[str, Any]) -> str:
    """RFC 8785 for what we put in: members sorted, no blanks; strings, whole numbers and null only."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def put(
    question: QuestionId,
    read: Read,
    carrier: CarrierView,
    courier: CourierView | None,
    *,
    nonce: str,
    draft: Draft | None = None,
) -> Question:
    """The question about a delivery. All of it comes from our records, nothing from a request's text.

    ``draft``: the key that the owner has to sign; then ``sign`` says what, and in which hours it opens.
    """
    body = read.body
    content = {
        "question": question,
        "delivery": read.id,
        "vehicle": body.vehicle,
        "carrier": {"id": carrier.id, "name": carrier.name},
        "courier": {"id": courier.id, "name": courier.name, "device": courier.jkt} if courier else None,
        "kind": body.kind,
        "opens": body.act,
        "window": {"start": body.window.start.isoformat(), "end": body.window.end.isoformat()},
        "place": place_in_words(body.place),
        "news": {"default_s": DEFAULT_FRA, "longest_s": MAX_FRA},
        "expires_at": body.approve_by.isoformat(),
        "nonce": nonce,
    }
    if draft is not None:
        content["sign"] = {
            "key": draft.key,
            "challenge": draft.challenge,
            "start": draft.nbf.isoformat(),
            "end": draft.exp.isoformat(),
        }
    shown = canonical(content)
    return Question(shown=shown, digest=sha256(shown.encode()).hexdigest(), expires_at=body.approve_by)


def place_in_words(place: Circle | Polygon | Anywhere) -> dict[str, Any]:
    """A place without fractions, so that its canonical JSON is the same everywhere (degrees as text)."""
    match place:
        case Anywhere():
            return {"kind": "anywhere"}
        case Circle():
            return {"kind": "circle", "centre": _degrees(place.centre), "radius_m": int(place.radius)}
        case Polygon():
            return {"kind": "polygon", "corners": [_degrees(corner) for corner in place.corners]}


def _degrees(point: Point) -> list[str]:
    return [f"{point.lat:.6f}", f"{point.lon:.6f}"]


def judge(question: Question, state: State, answer: Answer, now: datetime) -> Decided | None:
    """The decision to record, or None where the same one stands already (webhooks.md, Approval).

    Raises ``OtherDecision`` for a different one and for an answer to something else than what was shown,
    ``QuestionOver`` where nothing is asked any more.
    """
    if not hmac.compare_digest(answer.shown.encode(), question.digest.encode()):
        raise OtherDecision("this is not what was asked: look at the question again")
    if question.decided is not None:
        if question.decided.answer != answer.decision:
            raise OtherDecision(f"it was answered already: {question.decided.answer}")
        if question.decided.fra != answer.news_age:
            raise OtherDecision("it was approved already, for a network otherwise")
        return None
    if state is not State.ASKED or now >= question.expires_at:
        raise QuestionOver("nothing is asked any more")
    yes = answer.decision == "approve"
    return Decided(
        answer=answer.decision,
        silent=(answer.silent or answer.not_me) and not yes,
        not_me=answer.not_me and not yes,
        by=answer.by,
        level=answer.level,
        at=now,
        source=answer.source,
        record=answer.record,
        fra=answer.news_age,
        own=answer.own if yes else None,
        passkey=answer.passkey if yes else None,
        assertion=answer.assertion if yes else None,
    )


def draw_token(question: QuestionId) -> tuple[str, str]:
    """A link's token (it says which question, and 256 random bits) and the hash to keep of it."""
    token = urlsafe_b64encode(question.encode() + b"\0" + secrets.token_bytes(_SECRET)).decode().rstrip("=")
    return token, token_hash(token)


def token_hash(token: str) -> str:
    """What is stored of a token."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def question_of(token: str) -> QuestionId:
    """Which question a token is for; raises ``LinkUnknown`` for anything that is no token."""
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4)) if len(token) < 400 else b""
        question, secret = raw[: -_SECRET - 1].decode("ascii"), raw[-_SECRET - 1 :]
        if not secret.startswith(b"\0") or prefix_of(question) != "qst":
            raise LinkUnknown("this link is not known")
        partition_of(question)
    except (NotBase64, UnicodeError, ValueError) as cause:
        raise LinkUnknown("this link is not known") from cause
    return QuestionId(question)


def with_link(links: Sequence[Link], new: Link, *, most: int) -> tuple[Link, ...]:
    """With one link more. ``most``: good at a time for one person; nobody's mails push out another's link.

    Out go that person's own: those to an e-mail that is no longer theirs, then the oldest.
    """
    mine = [one for one in links if one.person == new.person and one.entry == new.entry]
    kept = {one.hash for one in [*mine, new][-most:]}
    return tuple(one for one in [*links, new] if one.person != new.person or one.hash in kept)


def is_of(links: Sequence[Link], source: str, person: PersonId | None) -> bool:
    """Whether a decision's source is one of these links, and that person's."""
    how, _, name = source.partition(":")
    return how == "link" and any(one.hash == name and one.person == person for one in links)


def link_of(links: Sequence[Link], token: str) -> Link:
    """Whose link this is; raises ``LinkUnknown`` where it is not (any more) one of these."""
    hashed = token_hash(token)
    for link in links:
        if hmac.compare_digest(link.hash, hashed):
            return link
    raise LinkUnknown("this link is not known, or newer ones replaced it")
