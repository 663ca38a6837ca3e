"""Links of mails to the booking page: bound to one case, one person and one of its appointments, kept by hash."""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from pydantic import AwareDatetime

from maintenance.garage_problems import LinkNotGood
from maintenance.limits import GarageLimits
from maintenance.model import Frozen
from people.cars import Cars
from spine.clock import Clock
from spine.ids import CaseId, NotAnId, PersonId, VehicleId, body_of, named_after, partition_of, prefix_of
from spine.store import Change, Saved, Store, Write
from webhooks import mail

PAGE: Final = "/book"
"""Where a mail's link leads; its token stands in the fragment, so no server and no log sees it."""

_SECRET: Final = 32
_KEPT: Final = "kept"
_VEHICLE: Final = 16


class _Kept(Frozen):
    hash: str
    person: PersonId
    n: int
    until: AwareDatetime
    message: str = ""
    """The mail it stands in: another try of the same one takes the place of the first."""


class _LinksBody(Frozen):
    links: tuple[_Kept, ...] = ()

    @classmethod
    def of(cls, saved: Saved) -> "_LinksBody":
        return cls() if saved.version == 0 or saved.ended else cls.model_validate_json(saved.body)


@dataclass(frozen=True, slots=True)
class BookingLink:
    """What a link allows: of ``case``, its ``n``-th appointment, as ``person``. Once that is over it only shows so."""

    case: CaseId
    person: PersonId
    n: int


def wanted(
    label: str, person: PersonId, case: CaseId, n: int, until: datetime, *, message: str = ""
) -> mail.Link:
    """The link a letter asks for; ``n``: the appointment it may make (one more than there were) or change.

    ``message``: the letter's id; of a letter that is tried again only the newest link is kept.
    """
    return mail.Link(label, PAGE, person, {"case": case, "n": str(n), "message": message}, until)


def subject_of(case: CaseId) -> str:
    """Where a case's links are kept, in the vehicle's partition."""
    return named_after("bkl", case)


class BookingLinks:
    """Made when a mail is written; looking changes nothing, and only the newest few of a case are good."""

    def __init__(
        self, store: Store, cars: Cars, clock: Clock, limits: GarageLimits, *, public_url: str
    ) -> None:
        """``public_url``: where our pages are found, without a slash at its end."""
        self._store = store
        self._cars = cars
        self._clock = clock
        self._limits = limits
        self._public_url = public_url

    async def mint(self, link: mail.Link) -> str:
        """The URL for a letter, with a token of its own."""
        case, now = CaseId(link.reference["case"]), self._clock.now()
        raw = case.encode() + b"\0" + secrets.token_bytes(_SECRET)
        token, subject = urlsafe_b64encode(raw).decode().rstrip("="), subject_of(case)
        kept = _Kept(
            hash=_hash(token),
            person=link.person,
            n=int(link.reference["n"]),
            until=link.until,
            message=link.reference.get("message", ""),
        )

        def decide(saved: Mapping[str, Saved]) -> Change:
            living = [
                one
                for one in _LinksBody.of(saved[subject]).links
                if one.until > now and not _replaces(kept, one)
            ]
            body = _LinksBody(links=tuple([*living, kept][-self._limits.links_most :]))
            return Change(
                {subject: Write(_KEPT, body.model_dump_json(), max(one.until for one in body.links))}
            )

        await self._store.change([subject], decide)
        return f"{self._public_url}{link.page}#{token}"

    async def open(self, token: str) -> BookingLink:
        """Whose link this is. Raises ``LinkNotGood``: alike for no, an old, a replaced one, and a former owner's."""
        case, now = _case_in(token), self._clock.now()
        body, hashed = _LinksBody.of(await self._store.load(subject_of(case))), _hash(token)
        for one in body.links:
            if hmac.compare_digest(one.hash, hashed) and one.until > now:
                role = await self._cars.role_of(one.person, vehicle_of(case), now=now)
                if role is not None and role.may_approve:
                    return BookingLink(case, one.person, one.n)
        raise LinkNotGood(_UNKNOWN)

    async def on_due(self, saved: Saved) -> None:
        """Timer of ``bkl_``: every link is too old, and none is kept."""
        now = self._clock.now()

        def decide(here: Mapping[str, Saved]) -> Change | None:
            at = here[saved.id].wake_at
            if at is None or at > now:
                return None
            return Change({saved.id: Write(_KEPT, _LinksBody().model_dump_json())})

        await self._store.change([saved.id], decide)


def vehicle_of(case: CaseId) -> VehicleId:
    """The vehicle a case of a fault is about."""
    return VehicleId(f"veh_{body_of(case)[:_VEHICLE]}")


def _replaces(newer: _Kept, one: _Kept) -> bool:
    """The same letter to the same person, tried again: what was delivered of others keeps its place."""
    same = (newer.person, newer.n, newer.message) == (one.person, one.n, one.message)
    return same and newer.message != ""


_UNKNOWN: Final = "this link is not known, too old, or newer ones replaced it"


def _hash(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _case_in(token: str) -> CaseId:
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4)) if len(token) < 400 else b""
        case = raw[: -_SECRET - 1].decode("ascii")
        if raw[-_SECRET - 1 : -_SECRET] != b"\0" or prefix_of(case) != "cse":
            raise LinkNotGood(_UNKNOWN)
        partition_of(case)
    except (NotAnId, UnicodeError, ValueError) as cause:
        raise LinkNotGood(_UNKNOWN) from cause
    return CaseId(case)
