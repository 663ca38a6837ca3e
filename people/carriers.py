"""Carriers: enrolled by an operator, frozen and thawed, and stopped after too many unusable addresses."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from people import states
from people.limits import PeopleLimits
from people.model import CarrierBody, CarrierView, Scope, UnusableBody, body_of
from people.problems import NotFound
from people.signed import read_jwk
from people.states import Carrier, CarrierStep, allows, step
from people.tokens import draw_secret
from spine.facts import Fact
from spine.facts.delivery import DeliveryUnusable
from spine.facts.people import CarrierEnrolled, CarrierFrozen, CarrierOrdersStopped, CarrierThawed
from spine.ids import CarrierId, named_after, prefix_of
from spine.store import Ack, Change, Saved, Store, Write

KEPT: Final = "kept"
HOUR: Final = timedelta(hours=1)
WITH_SECRET: Final = frozenset({Scope.DELIVERIES_WRITE, Scope.DELIVERIES_READ, Scope.COURIERS_READ})
"""What a client secret allows; ``couriers:enrol`` takes private_key_jwt (delivery.md, "Who")."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the operator hands to the carrier; the secret is shown this once."""

    client_id: CarrierId
    client_secret: str = field(repr=False)


def _hashed(secret: str, salt: str) -> str:
    return hashlib.sha256(f"{salt}:{secret}".encode()).hexdigest()


def counted_of(carrier: str) -> str:
    """The subject that counts a carrier's unusable addresses of the last hour."""
    return named_after("unu", carrier)


def loaded(saved: Saved) -> tuple[Carrier, CarrierBody] | None:
    """State and body of a carrier's subject; None where there is none."""
    if not saved.version or saved.ended or prefix_of(saved.id) != "car":
        return None
    return Carrier(saved.state), body_of(saved, CarrierBody)


def view_of(saved: Saved) -> CarrierView | None:
    """A carrier as others may know it; None where there is none."""
    found = loaded(saved)
    if found is None:
        return None
    state, body = found
    scopes = frozenset(body.scopes)
    return CarrierView(CarrierId(saved.id), body.name, state, scopes, body.livemode, body.frozen_at)


class Carriers:
    """Subject ``car_``. A carrier's client id is its own id."""

    def __init__(self, store: Store, limits: PeopleLimits) -> None:
        self._store = store
        self._limits = limits

    async def enrol(
        self,
        name: str,
        *,
        public_jwk: Mapping[str, object] | None = None,
        livemode: bool = True,
        seed: CarrierId | None = None,
        now: datetime,
    ) -> Credentials:
        """A new carrier with a secret, and with a public ES256 key where it is to enrol couriers.

        ``seed``: the id drawn for a repeated request. Raises ``ProofRefused`` for a key that is none.
        """
        carrier = seed or CarrierId(await self._store.draw("car"))
        key = None if public_jwk is None else read_jwk(public_jwk).jwk
        secret, salt = draw_secret(), secrets.token_hex(16)
        body = CarrierBody(
            name=name,
            salt=salt,
            secret_hash=_hashed(secret, salt),
            public_jwk=key,
            scopes=sorted(Scope if key else WITH_SECRET),
            livemode=livemode,
            made_at=now,
        )

        def decide(saved: Mapping[str, Saved]) -> Change:
            after = step(states.CARRIER, Carrier(saved[carrier].state), CarrierStep.ENROLLED)
            enrolled = CarrierEnrolled(at=now, carrier=carrier, livemode=livemode)
            return Change({carrier: Write(after, body.model_dump_json())}, [enrolled])

        await self._store.change([carrier], decide)
        return Credentials(carrier, secret)

    async def new_secret(self, carrier: CarrierId) -> Credentials:
        """Another secret; the former one and every token end at once."""
        secret, salt = draw_secret(), secrets.token_hex(16)
        update = {"salt": salt, "secret_hash": _hashed(secret, salt)}
        await self._move(carrier, CarrierStep.CHANGED, list, update=update, revoke=True)
        return Credentials(carrier, secret)

    async def new_key(self, carrier: CarrierId, public_jwk: Mapping[str, object]) -> None:
        """Set the public key for ``private_key_jwt``; every token ends at once. Raises ``ProofRefused``."""
        update = {"public_jwk": read_jwk(public_jwk).jwk, "scopes": sorted(Scope)}
        await self._move(carrier, CarrierStep.CHANGED, list, update=update, revoke=True)

    async def freeze(self, carrier: CarrierId, *, now: datetime) -> None:
        """Tokens of the carrier and its couriers end with this commit; the fact ends rules and live keys."""
        await self._move(
            carrier,
            CarrierStep.FROZEN,
            lambda: [CarrierFrozen(at=now, carrier=carrier)],
            update={"frozen_at": now},
            revoke=True,
        )

    async def thaw(self, carrier: CarrierId, *, now: datetime) -> None:
        """An operator has looked: orders and new tokens are possible again; counting starts anew."""
        await self._move(carrier, CarrierStep.THAWED, lambda: [CarrierThawed(at=now, carrier=carrier)])

    async def _move(
        self,
        carrier: CarrierId,
        how: CarrierStep,
        facts: Callable[[], list[Fact]],
        *,
        update: Mapping[str, object] | None = None,
        revoke: bool = False,
    ) -> None:
        counted = counted_of(carrier)
        target = {after for (_, done), after in states.CARRIER.items() if done is how}

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if not saved[carrier].version:
                raise NotFound("There is no such carrier.")
            state = Carrier(saved[carrier].state)
            if how is not CarrierStep.CHANGED and state in target:
                return None
            after = step(states.CARRIER, state, how)
            body = body_of(saved[carrier], CarrierBody)
            changed = body.model_copy(update={**(update or {}), "epoch": body.epoch + int(revoke)})
            writes: dict[str, Write] = {carrier: Write(after, changed.model_dump_json())}
            if how is CarrierStep.THAWED and saved[counted].version:
                writes[counted] = Write(KEPT, UnusableBody().model_dump_json())
            return Change(writes, facts())

        await self._store.change([carrier, counted], decide)

    async def view(self, carrier: CarrierId) -> CarrierView | None:
        """A carrier as others may know it; None where there is none."""
        return view_of(await self._store.load(carrier)) if prefix_of(carrier) == "car" else None

    async def load(self, carrier: CarrierId) -> tuple[Carrier, CarrierBody] | None:
        """State and body, with what authenticates the carrier."""
        return loaded(await self._store.load(carrier)) if prefix_of(carrier) == "car" else None

    async def count_unusable(self, fact: DeliveryUnusable, *, ack: Ack | None = None) -> None:
        """Reaction to ``delivery.unusable``: 20 in an hour stop the orders. Each delivery counts once."""
        carrier, counted = fact.carrier, counted_of(fact.carrier)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            before = body_of(saved[counted], UnusableBody).deliveries
            if not saved[carrier].version or any(delivery == fact.delivery for delivery, _ in before):
                return None
            recent = [(delivery, at) for delivery, at in before if fact.at - at < HOUR]
            recent.append((fact.delivery, fact.at))
            kept = UnusableBody(deliveries=recent[-self._limits.unusable_addresses :])
            writes = {counted: Write(KEPT, kept.model_dump_json())}
            state = Carrier(saved[carrier].state)
            full = len(recent) >= self._limits.unusable_addresses
            if not full or not allows(states.CARRIER, state, CarrierStep.STOPPED):
                return Change(writes)
            writes[carrier] = Write(step(states.CARRIER, state, CarrierStep.STOPPED), saved[carrier].body)
            return Change(writes, [CarrierOrdersStopped(at=fact.at, carrier=carrier)])

        await self._store.change([carrier, counted], decide, ack=ack)


def secret_fits(body: CarrierBody, presented: str) -> bool:
    """Compare a client secret with the salted hash, in constant time."""
    return hmac.compare_digest(_hashed(presented, body.salt), body.secret_hash)
