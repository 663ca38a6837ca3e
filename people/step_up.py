"""Gestures with a passkey: a new one registered, a session lifted, somebody signed in. Each answers its own challenge."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from people.access import PersonPrincipal
from people.assertions import Assertion, Attestation
from people.challenges import Asked, Challenges
from people.known_devices import KnownDevices, Remembered
from people.limits import PeopleLimits
from people.passkey_model import PasskeyView
from people.passkeys import Passkeys, person_of
from people.persons import Persons
from people.problems import NotFound, PasskeyNeeded, PasskeyRefused, TooMany
from people.relying_party import RelyingParty, challenge_of
from people.sessions import Sessions
from people.sign_in import SignedIn
from spine.ids import PersonId
from spine.rates import Rates

_TEN_MINUTES: Final = timedelta(minutes=10)


class StepUp:
    """What a session may do because its person showed a passkey a moment ago (RFC 9470)."""

    def __init__(
        self,
        passkeys: Passkeys,
        party: RelyingParty,
        challenges: Challenges,
        persons: Persons,
        sessions: Sessions,
        devices: KnownDevices,
        rates: Rates,
        limits: PeopleLimits,
    ) -> None:
        self._passkeys = passkeys
        self._party = party
        self._challenges = challenges
        self._persons = persons
        self._sessions = sessions
        self._devices = devices
        self._rates = rates
        self._limits = limits

    def is_fresh(self, who: PersonPrincipal, *, now: datetime) -> bool:
        """Whether a passkey was shown in this session within ``passkey_fresh``; a time ahead of ours is not."""
        return (
            who.passkey_at is not None and timedelta() <= now - who.passkey_at <= self._limits.passkey_fresh
        )

    async def require_fresh_passkey(self, who: PersonPrincipal, *, now: datetime) -> None:
        """For what is more than looking, declining or locking. Who never had a passkey passes.

        Who has one, or lost all of them, must have shown one in this session a moment ago. Raises
        ``PasskeyNeeded`` (401, ``insufficient_user_authentication``).
        """
        if not self.is_fresh(who, now=now) and (await self._passkeys.kept(who.id)).ever:
            raise PasskeyNeeded(self._passkeys.max_age)

    async def new_options(self, who: PersonPrincipal, *, now: datetime) -> dict[str, Any]:
        """What a browser needs to make a passkey. Raises ``PasskeyNeeded``, ``NoPasskeysHere``, ``TooFull``, ``TooMany``."""
        await self._count(who.id, now)
        await self._check_may_add(who, now)
        view = await self._persons.view(who.id)
        if view is None:
            raise NotFound("This account was erased.")
        challenge = await self._challenges.draw(Asked.REGISTER, who.id, who.session)
        return await self._passkeys.new_options(who.id, challenge, label=view.email)

    async def register(
        self, who: PersonPrincipal, made: Attestation, *, name: str, now: datetime
    ) -> PasskeyView:
        """Take a new passkey. Raises what ``new_options`` does, ``PasskeyRefused``, ``PasskeyKnown``."""
        await self._count(who.id, now)
        await self._check_may_add(who, now)
        challenge = challenge_of(made)
        if not await self._challenges.take(Asked.REGISTER, who.id, who.session, challenge):
            raise PasskeyRefused(reason="challenge")
        return await self._passkeys.add(
            who.id,
            who.session,
            self._party.check_new(made, challenge),
            name=name,
            transports=made.response.transports,
            fresh=self.is_fresh(who, now=now),
            now=now,
        )

    async def proof_options(self, who: PersonPrincipal, *, now: datetime) -> dict[str, Any]:
        """What a browser needs to ask for a gesture. Raises ``NotFound`` without a passkey, ``TooMany``."""
        await self._count(who.id, now)
        challenge = await self._challenges.draw(Asked.PROVE, who.id, who.session)
        return await self._passkeys.options(who.id, challenge)

    async def prove(self, who: PersonPrincipal, assertion: Assertion, *, now: datetime) -> str:
        """Lift the session; gives the passkey's id. Raises ``PasskeyRefused``, ``TooMany``."""
        await self._count(who.id, now)
        challenge = challenge_of(assertion)
        if not await self._challenges.take(Asked.PROVE, who.id, who.session, challenge):
            raise PasskeyRefused(reason="challenge")
        passkey = await self._passkeys.verify(who.id, assertion, challenge=challenge, now=now)
        await self._sessions.lift(who.id, who.session, now=now)
        return passkey

    async def sign_in_options(self) -> dict[str, Any]:
        """What a browser needs to ask for any passkey of this place. Raises ``NoPasskeysHere``."""
        challenge = await self._challenges.draw_for_anybody()
        milliseconds = int(self._limits.passkey_challenge_life.total_seconds() * 1000)
        return self._party.request_options(challenge=challenge, allowed=[], milliseconds=milliseconds)

    async def sign_in(
        self,
        assertion: Assertion,
        *,
        device: Callable[[PersonId], str | None] | None = None,
        now: datetime,
    ) -> SignedIn:
        """A session of level ``passkey`` for whom the passkey names; its device is known from then on.

        ``device``: as for ``SignIn.redeem``. Raises ``PasskeyRefused``, always alike.
        """
        challenge = challenge_of(assertion)
        person = person_of(assertion)
        if not await self._challenges.take_anybodys(challenge) or person is None:
            raise PasskeyRefused(reason="challenge")
        # Counted by network address alone: who knows a person's id must not use their tries up.
        await self._passkeys.verify(person, assertion, challenge=challenge, now=now)
        found = Remembered(known=False)
        if device is not None:
            found = await self._devices.remember(person, device(person), trusted=True, now=now)
        token, session = await self._sessions.make(person, level="passkey", now=now)
        return SignedIn(token, session, "/", found.secret)

    async def _check_may_add(self, who: PersonPrincipal, now: datetime) -> None:
        """A first passkey (or the first after a recovery) needs the session alone; judged again at the commit."""
        if not self.is_fresh(who, now=now) and (await self._passkeys.kept(who.id)).passkeys:
            raise PasskeyNeeded(self._passkeys.max_age)

    async def _count(self, person: PersonId, now: datetime) -> None:
        wait = await self._rates.take(
            "passkey", person, limit=self._limits.passkey_tries, per=_TEN_MINUTES, now=now
        )
        if wait:
            raise TooMany("Too many tries with passkeys.", retry_after=wait)
