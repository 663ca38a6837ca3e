"""Couriers: named by their carrier, enrolled once with a device key, signed in by that key, removed."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from people import device_proof, states
from people.address_text import ALPHABET
from people.device_keys import DeviceKeys
from people.device_proof import Window, code_hash
from people.limits import PeopleLimits
from people.model import CourierBody, CourierView, body_of
from people.problems import CodeRefused, NotFound, Unauthenticated
from people.states import Courier, CourierStep, NotNow, step
from people.tokens import same
from spine.expiring import Expiring
from spine.facts.people import CourierEnrolled, CourierInvited, CourierRemoved
from spine.ids import CarrierId, CourierId, new_id, partition_of, prefix_of
from spine.index import Index
from spine.store import Change, Saved, Store, Write

OF_CARRIER: Final = "carrier_couriers"
"""Index: a carrier's couriers by when they were named."""

ENROLMENT_PATH: Final = "/v1/courier/enrolment"
_SPACE: Final = "enrolment_code"
_CODE_LENGTH: Final = 10


@dataclass(frozen=True, slots=True)
class Invited:
    """A named courier and the code to enrol with, shown this once."""

    courier: CourierId
    code: str = field(repr=False)
    expires_at: datetime


def draw_code() -> str:
    """50 random bits that people can read out: ``7K3M9-QXD4H``."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(_CODE_LENGTH))
    return f"{letters[:5]}-{letters[5:]}"


class Couriers:
    """Subjects ``cou_`` in their carrier's partition."""

    def __init__(
        self,
        store: Store,
        expiring: Expiring,
        index: Index,
        devices: DeviceKeys,
        origin: str,
        limits: PeopleLimits,
    ) -> None:
        self._store = store
        self._expiring = expiring
        self._index = index
        self._devices = devices
        self._audience = origin + ENROLMENT_PATH
        self._limits = limits

    @property
    def window(self) -> Window:
        """How old a device's proof may be."""
        return Window(self._limits.assertion_life, self._limits.clock_skew)

    async def invite(
        self, carrier: CarrierId, name: str, *, courier: CourierId | None = None, now: datetime
    ) -> Invited:
        """Name a courier, or give one who is not enrolled yet (``courier``) a new code in place of the old.

        Raises ``NotFound`` for another carrier's courier, ``NotNow`` for an enrolled or removed one.
        """
        named = courier or CourierId(new_id("cou", partition_of(carrier)))
        if partition_of(named) != partition_of(carrier):
            raise NotFound("There is no such courier.")
        code, expires_at = draw_code(), now + self._limits.enrolment_code_life

        def decide(saved: Mapping[str, Saved]) -> Change:
            before = saved[named]
            if before.version and (before.ended or body_of(before, CourierBody).carrier != carrier):
                raise NotFound("There is no such courier.")
            after = step(states.COURIER, Courier(before.state), CourierStep.INVITED)
            body = CourierBody(
                carrier=carrier,
                name=name,
                code_hash=code_hash(code),
                code_expires_at=expires_at,
            )
            facts = [] if before.version else [CourierInvited(at=now, carrier=carrier, courier=named)]
            return Change({named: Write(after, body.model_dump_json())}, facts)

        await self._store.change([named], decide)
        await self._expiring.put(_SPACE, code_hash(code), named, self._limits.enrolment_code_life)
        return Invited(named, code, expires_at)

    async def enrol(self, code: str, jwk: Mapping[str, Any], proof: str, *, now: datetime) -> CourierView:
        """Bind a device key to the named courier. The same code and key again: the same answer.

        Raises ``CodeRefused``, ``ProofRefused``, ``DeviceTaken``.
        """
        named = await self._expiring.get(_SPACE, code_hash(code))
        if named is None:
            raise CodeRefused("This code is not good (any more). Ask for a new one.")
        key = device_proof.enrolment(
            proof, jwk, code=code, audience=self._audience, window=self.window, now=now
        )
        courier = CourierId(named)
        await self._devices.take(key.thumbprint, courier, now=now)
        try:
            return await self._enrol(courier, code_hash(code), key.jwk, key.thumbprint, now=now)
        except (CodeRefused, NotNow) as refused:
            # Taken first, so given back first; a crash before this line leaves it to the key's timer.
            await self._give_back(courier, key.thumbprint)
            raise CodeRefused("This code is not good (any more). Ask for a new one.") from refused

    async def _enrol(
        self, courier: CourierId, hashed: str, jwk: dict[str, str], thumbprint: str, *, now: datetime
    ) -> CourierView:
        def decide(saved: Mapping[str, Saved]) -> Change | None:
            body, state = body_of(saved[courier], CourierBody), Courier(saved[courier].state)
            fits = (
                body.code_expires_at is not None
                and now < body.code_expires_at
                and same(body.code_hash, hashed)
            )
            if not fits:
                raise CodeRefused("This code is not good (any more). Ask for a new one.")
            if state is Courier.ENROLLED and body.jkt == thumbprint:
                return None
            after = step(states.COURIER, state, CourierStep.ENROLLED)
            enrolled = body.model_copy(update={"jkt": thumbprint, "public_jwk": jwk, "enrolled_at": now})
            fact = CourierEnrolled(at=now, carrier=CarrierId(body.carrier), courier=courier, jkt=thumbprint)
            return Change({courier: Write(after, enrolled.model_dump_json())}, [fact])

        done = await self._store.change([courier], decide)
        await self._devices.confirm(thumbprint, courier)
        return _view(done.saved[courier])

    async def _give_back(self, courier: CourierId, thumbprint: str) -> None:
        known = await self.courier(courier)
        if known is None or known.jkt != thumbprint:
            await self._devices.free(thumbprint, courier)

    async def remove(self, carrier: CarrierId, courier: CourierId, *, now: datetime) -> None:
        """The courier's name and key are erased and his tokens end. Again: nothing. Raises ``NotFound``."""
        if partition_of(courier) != partition_of(carrier):
            raise NotFound("There is no such courier.")

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if saved[courier].ended:
                return None
            body = body_of(saved[courier], CourierBody) if saved[courier].version else None
            if body is None or body.carrier != carrier:
                raise NotFound("There is no such courier.")
            after = step(states.COURIER, Courier(saved[courier].state), CourierStep.REMOVED)
            removed = CourierRemoved(at=now, carrier=carrier, courier=courier, jkt=body.jkt)
            return Change({courier: Write(after, "{}", ended=True)}, [removed])

        await self._store.change([courier], decide)

    async def courier(self, courier: CourierId) -> CourierView | None:
        """A courier as enrolled; None where there is none or he was removed."""
        if prefix_of(courier) != "cou":
            return None
        return view_of(await self._store.load(courier))

    async def public_jwk(self, courier: CourierId) -> dict[str, str]:
        """The device key of an enrolled courier. Raises ``Unauthenticated`` where there is none."""
        saved = await self._store.load(courier)
        if saved.ended or saved.state != Courier.ENROLLED:
            raise Unauthenticated("This courier is not enrolled.")
        return body_of(saved, CourierBody).public_jwk or {}

    async def of_carrier(
        self, carrier: CarrierId, *, after: str | None, limit: int
    ) -> tuple[list[CourierView], str | None]:
        """A page of a carrier's couriers, and the cursor of the next."""
        page = await self._index.page(OF_CARRIER, carrier, after=after, limit=limit)
        found = await self._store.load_many(page.members)
        views = [_view(found[one]) for one in page.members if found[one].version and not found[one].ended]
        return views, page.next


def view_of(saved: Saved) -> CourierView | None:
    """A courier as enrolled; None where there is none or he was removed."""
    return None if not saved.version or saved.ended else _view(saved)


def _view(saved: Saved) -> CourierView:
    body = body_of(saved, CourierBody)
    return CourierView(
        CourierId(saved.id),
        CarrierId(body.carrier),
        body.name,
        Courier(saved.state),
        body.jkt,
        body.enrolled_at,
    )
