"""A person's passkeys and what approves for them: one list per person, its rules checked at each commit."""

import base64
import hashlib
import logging
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from people.assertions import Assertion
from people.limits import PeopleLimits
from people.model import body_of
from people.passkey_model import PasskeyBody, PasskeysBody, PasskeyView
from people.problems import (
    LastPasskey,
    LinkIsOver,
    NotFound,
    PasskeyKnown,
    PasskeyNeeded,
    PasskeyRefused,
    TooFull,
    Unauthenticated,
)
from people.relying_party import Made, RelyingParty, Signed
from people.sessions import lifted, unproven
from people.states import Person
from spine.facts.people import ApprovalsChosen, PasskeyAdded, PasskeyAlarmed, PasskeyRemoved
from spine.ids import PersonId, named_after
from spine.store import Change, Saved, Store, Write

__all__ = ["ApprovesBy", "Assertion", "PasskeyRefused", "Passkeys"]

log = logging.getLogger("trunkline.people")

ApprovesBy = Literal["passkey", "link", "nothing"]

KEPT: Final = "kept"
_ALARM: Final = "alarm"
_PERSON: Final = re.compile(r"per_[0-9a-hjkmnp-tv-z]{16}", re.ASCII)


def subject_of(person: str) -> str:
    """The subject of a person's passkeys, in the person's partition."""
    return named_after("psk", person)


def name_of(credential: str) -> str:
    """A passkey's name in lists and facts: 64 bits of the SHA-256 of its credential's id (base64url)."""
    return hashlib.sha256(credential.encode()).hexdigest()[:16]


def kept_in(saved: Saved) -> PasskeysBody:
    """The list; an empty one where there is none (any more)."""
    return PasskeysBody() if saved.ended or not saved.version else body_of(saved, PasskeysBody)


def write(kept: PasskeysBody) -> Write:
    """The list as it is written."""
    return Write(KEPT, kept.model_dump_json())


def approves_by(kept: PasskeysBody) -> ApprovesBy:
    """A passkey where there is one; a link only where there never was one and the person chose it."""
    if kept.passkeys:
        return "passkey"
    return "link" if kept.link_chosen and not kept.ever else "nothing"


def _view(name: str, one: PasskeyBody) -> PasskeyView:
    return PasskeyView(name, one.name, one.made_at, one.last_used_at, one.synced, one.backed_up)


def _check_here(person: Saved) -> None:
    if person.state != Person.ACTIVE:
        raise NotFound("There is no such person.")


class Passkeys:
    """Subject ``psk_``. A credential's id is looked up in one person's list only, so a copy in another's is nothing."""

    def __init__(self, store: Store, party: RelyingParty, limits: PeopleLimits) -> None:
        self._store = store
        self._party = party
        self._limits = limits

    async def kept(self, person: PersonId) -> PasskeysBody:
        """The list as it stands."""
        return kept_in(await self._store.load(subject_of(person)))

    async def approves_by(self, person: PersonId) -> ApprovesBy:
        """What a person's yes is given with. ``nothing``: neither a passkey nor the choice of links, or all lost."""
        return approves_by(await self.kept(person))

    async def all_of(self, person: PersonId) -> list[PasskeyView]:
        """A person's passkeys, oldest first."""
        kept = (await self.kept(person)).passkeys
        return sorted((_view(name, one) for name, one in kept.items()), key=lambda view: view.made_at)

    async def choose_link(self, person: PersonId, *, now: datetime) -> None:
        """Approve by mail link from now on. Raises ``LinkIsOver`` for whoever has or had a passkey."""
        psk = subject_of(person)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            _check_here(saved[person])
            kept = kept_in(saved[psk])
            if kept.ever:
                raise LinkIsOver("You have or had a passkey: a mail link does not approve for you any more.")
            if kept.link_chosen:
                return None
            chosen = kept.model_copy(update={"link_chosen": True})
            return Change({psk: write(chosen)}, [ApprovalsChosen(at=now, person=person, by="link")])

        await self._store.change([psk, person], decide)

    async def options(self, person: PersonId, challenge: bytes) -> dict[str, Any]:
        """``PublicKeyCredentialRequestOptionsJSON`` for a signature of this person over exactly this challenge.

        ``challenge``: 32 bytes, which the caller uses once. Raises ``NotFound`` where there is no passkey,
        ``NoPasskeysHere``.
        """
        kept = (await self.kept(person)).passkeys
        if not kept:
            raise NotFound("This person has no passkey.")
        allowed = [(one.credential, one.transports) for one in kept.values()]
        return self._party.request_options(
            challenge=challenge, allowed=allowed, milliseconds=self._milliseconds
        )

    async def verify(self, person: PersonId, assertion: Assertion, *, challenge: bytes, now: datetime) -> str:
        """One of this person's passkeys signed exactly this challenge, here, its holder verified. Gives its id.

        That a challenge is used once is the caller's part. A counter that goes backwards is refused with a
        fact (``passkey.alarmed``): there may be a copy. Raises ``PasskeyRefused``, always alike.
        """
        psk, name = subject_of(person), name_of(assertion.id)
        known = (await self.kept(person)).passkeys.get(name)
        try:
            signed = self._check(person, known, assertion, challenge)
        except PasskeyRefused as refused:
            log.info("passkey.refused", extra={"person": person, "reason": refused.reason})
            raise

        def decide(saved: Mapping[str, Saved]) -> Change:
            kept = kept_in(saved[psk])
            one = kept.passkeys.get(name)
            if saved[person].state != Person.ACTIVE or one is None or one.public_key != signed.public_key:
                raise PasskeyRefused(reason="gone")
            return _used(psk, person, kept, name, signed, now)

        done = await self._store.change([psk, person], decide)
        if done.answer == _ALARM:
            log.warning("passkey.alarmed", extra={"person": person, "passkey": name})
            raise PasskeyRefused(reason="counter")
        return name

    def _check(
        self, person: PersonId, known: PasskeyBody | None, assertion: Assertion, challenge: bytes
    ) -> Signed:
        handle = assertion.response.user_handle
        if known is None or known.credential != assertion.id or assertion.raw_id != assertion.id:
            raise PasskeyRefused(reason="unknown")
        if handle is not None and handle != handle_of(person):
            raise PasskeyRefused(reason="handle")
        return self._party.check(assertion, challenge, known.public_key)

    async def new_options(self, person: PersonId, challenge: bytes, *, label: str) -> dict[str, Any]:
        """``PublicKeyCredentialCreationOptionsJSON``. Raises ``NoPasskeysHere``, ``TooFull``."""
        kept = (await self.kept(person)).passkeys
        self._check_room(kept)
        known = [one.credential for one in kept.values()]
        return self._party.creation_options(
            challenge=challenge,
            handle=person,
            label=label,
            known=known,
            milliseconds=self._milliseconds,
        )

    async def add(
        self, person: PersonId, session: str, made: Made, *, name: str, transports: list[str], fresh: bool,
        now: datetime,
    ) -> PasskeyView:  # fmt: skip
        """Keep a passkey whose answer was checked; its session is of level ``passkey`` from then on.

        A first one needs no more than the session; another one needs ``fresh``. Both are judged at the commit, so
        of two sessions that race for the first, the later one is asked for the earlier one's passkey. Raises
        ``PasskeyNeeded``, ``PasskeyKnown``, ``TooFull``, ``Unauthenticated`` where the session ended meanwhile.
        """
        psk, sns, id_ = subject_of(person), named_after("sns", person), name_of(made.credential)
        body = PasskeyBody(
            credential=made.credential, public_key=made.public_key, sign_count=made.sign_count,
            transports=transports, name=name, made_at=now, synced=made.synced, backed_up=made.backed_up,
        )  # fmt: skip

        def decide(saved: Mapping[str, Saved]) -> Change:
            _check_here(saved[person])
            kept = kept_in(saved[psk])
            if kept.passkeys and not fresh:
                raise PasskeyNeeded(self.max_age)
            if id_ in kept.passkeys:
                raise PasskeyKnown("This passkey is registered already.")
            self._check_room(kept.passkeys)
            session_after = lifted(saved[sns], session, now)
            if session_after is None:
                raise Unauthenticated("This session is over.", presented=True)
            n = kept.changes + 1
            after = PasskeysBody(passkeys={**kept.passkeys, id_: body}, ever=True, changes=n)
            facts = [PasskeyAdded(at=now, person=person, passkey=id_, n=n)]
            return Change({psk: write(after), sns: session_after}, facts)

        await self._store.change([psk, sns, person], decide)
        return _view(id_, body)

    async def rename(self, person: PersonId, passkey: str, name: str) -> None:
        """Another name in the person's own list. Raises ``NotFound``."""
        psk = subject_of(person)

        def decide(saved: Mapping[str, Saved]) -> Change:
            kept = kept_in(saved[psk])
            one = _one(kept, passkey).model_copy(update={"name": name})
            after = kept.model_copy(update={"passkeys": {**kept.passkeys, passkey: one}})
            return Change({psk: write(after)})

        await self._store.change([psk], decide)

    async def remove(self, person: PersonId, session: str, passkey: str, *, now: datetime) -> None:
        """Forget a passkey; the person's other sessions have shown none any more: one of them may be the thief's.

        Raises ``NotFound``, ``LastPasskey``.
        """
        psk, sns = subject_of(person), named_after("sns", person)

        def decide(saved: Mapping[str, Saved]) -> Change:
            kept = kept_in(saved[psk])
            _one(kept, passkey)
            if len(kept.passkeys) == 1:
                raise LastPasskey("This is your last passkey. Add another one first.")
            left = {name: one for name, one in kept.passkeys.items() if name != passkey}
            n = kept.changes + 1
            after = kept.model_copy(update={"passkeys": left, "changes": n})
            fact = PasskeyRemoved(at=now, person=person, passkey=passkey, n=n, reason="removed")
            return Change({psk: write(after), sns: unproven(saved[sns], session, now)}, [fact])

        await self._store.change([psk, sns], decide)

    @property
    def max_age(self) -> int:
        """Seconds for which a gesture counts."""
        return int(self._limits.passkey_fresh.total_seconds())

    @property
    def _milliseconds(self) -> int:
        return int(self._limits.passkey_challenge_life.total_seconds() * 1000)

    def _check_room(self, kept: Mapping[str, PasskeyBody]) -> None:
        if len(kept) >= self._limits.passkeys_per_person:
            raise TooFull("You have as many passkeys as you can have.")


def handle_of(person: str) -> str:
    """A person's user handle as a browser writes it: the id, which says nothing of the person, in base64url."""
    return base64.urlsafe_b64encode(person.encode()).decode().rstrip("=")


def _one(kept: PasskeysBody, passkey: str) -> PasskeyBody:
    found = kept.passkeys.get(passkey)
    if found is None:
        raise NotFound("There is no such passkey among yours.")
    return found


def _used(psk: str, person: PersonId, kept: PasskeysBody, name: str, signed: Signed, now: datetime) -> Change:
    """The counter and time of a passkey that signed, or the alarm."""
    one = kept.passkeys[name]
    if one.sign_count and signed.sign_count <= one.sign_count:
        n = kept.changes + 1
        alarmed = PasskeyAlarmed(at=now, person=person, passkey=name, n=n)
        return Change({psk: write(kept.model_copy(update={"changes": n}))}, [alarmed], answer=_ALARM)
    used = one.model_copy(
        update={"sign_count": signed.sign_count, "backed_up": signed.backed_up, "last_used_at": now}
    )
    return Change({psk: write(kept.model_copy(update={"passkeys": {**kept.passkeys, name: used}}))})


def person_of(assertion: Assertion) -> PersonId | None:
    """Whom a passkey says it belongs to, by its user handle; None where that is no id of a person."""
    handle = assertion.response.user_handle or ""
    try:
        text = base64.urlsafe_b64decode(handle + "=" * (-len(handle) % 4)).decode("ascii")
    except ValueError:
        return None
    return PersonId(text) if _PERSON.fullmatch(text) else None
