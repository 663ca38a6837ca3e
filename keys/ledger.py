"""All that is known of one unit's keys as one commit sees it: read, change together, write back."""

from collections.abc import Mapping
from datetime import datetime
from typing import TypedDict

from keys.limits import KeysLimits
from keys.model import (
    DeadKey,
    KeyBody,
    Numbers,
    RevocationList,
    at,
    list_id,
    numbers_id,
    past_use,
)
from keys.states import LIVE, State, step
from spine.facts import Fact
from spine.facts.keys import KeyFact, KeyRevoked, RevocationRaised
from spine.ids import DeliveryId, KeyId, UnitId, VehicleId
from spine.store import Change, Saved, Write


class About(TypedDict):
    """Members of every fact about a key."""

    at: datetime
    vehicle: VehicleId
    unit: UnitId
    delivery: DeliveryId
    key: KeyId


class Ledger:
    """One unit's counter, list and the keys named, inside one ``decide``; only what changed is written."""

    def __init__(
        self, saved: Mapping[str, Saved], unit: UnitId, *, now: datetime, limits: KeysLimits
    ) -> None:
        self._saved = saved
        self._limits = limits
        self._unit = unit
        self.now = now
        self.facts: list[Fact] = []
        self._writes: dict[str, Write] = {}
        self._keys: dict[KeyId, tuple[State, KeyBody]] = {}
        self.numbers = Numbers.model_validate_json(saved[numbers_id(unit)].body)
        self.list = RevocationList.model_validate_json(saved[list_id(unit)].body)
        self._before = (self.numbers.model_copy(deep=True), self.list.model_copy(deep=True))

    def state(self, key: KeyId) -> State:
        """Where a key stands, with what this commit already did to it."""
        return self._keys[key][0] if key in self._keys else State(self._saved[key].state)

    def body(self, key: KeyId) -> KeyBody:
        """A key's body; changes to it are written once ``tell`` was called for the key."""
        if key not in self._keys:
            loaded = KeyBody.model_validate_json(self._saved[key].body)
            self._keys[key] = (State(self._saved[key].state), loaded)
        return self._keys[key][1]

    def about(self, key: KeyId) -> About:
        """The members every fact about a key has."""
        body = self.body(key)
        return About(at=self.now, vehicle=body.vehicle, unit=body.unit, delivery=body.delivery, key=key)

    def dies_at(self, key: KeyId) -> datetime:
        """From when on a key opens nothing, whatever becomes of it."""
        return past_use(self.body(key).exp, self._limits.clock_error)

    def open(self, key: KeyId, body: KeyBody) -> None:
        """Begin a key that is not saved yet."""
        self._keys[key] = (State.NEW, body)

    def tell(self, key: KeyId, fact: KeyFact) -> State:
        """Let a fact happen to a key: the next state by the table. Raises ``NotAllowed``."""
        body = self.body(key)
        state = step(self._keys[key][0], fact)
        self.facts.append(fact)
        self._keys[key] = (state, body)
        if state not in LIVE:
            self.numbers.live.pop(key, None)
            self.list.pending.pop(key, None)
            body.claims, body.token = None, None
        self._writes[key] = Write(state.value, body.model_dump_json(), wake_at=self._wakes(state, body))
        return state

    def revoke(self, key: KeyId, fact: KeyRevoked) -> None:
        """Name a key dead in the next version of the list."""
        self.tell(key, fact)
        body, listed = self.body(key), self.list
        self.prune()
        listed.vehicle = fact.vehicle
        listed.version += 1
        listed.dead.append(DeadKey(jti=body.jti, seq=body.seq, exp=body.exp))
        listed.pending[key] = listed.version
        if len(listed.dead) > self._limits.dead_listed - self._limits.live_keys:
            self.raise_floor()

    def prune(self) -> None:
        """Drop dead keys that are past all use."""
        self.list.dead = [
            one for one in self.list.dead if self.now < past_use(one.exp, self._limits.clock_error)
        ]

    def raise_floor(self) -> None:
        """Call every number dead that is below the lowest key that must stay alive."""
        alive = [one.seq for key, one in self.numbers.live.items() if key not in self.list.pending]
        floor = min(alive, default=self.numbers.last + 1)
        self.list.min_seq = max(self.list.min_seq, floor)
        self.list.dead = [one for one in self.list.dead if one.seq >= self.list.min_seq]

    def list_signed(self, signed: str, *, vehicle: VehicleId, iat: int) -> None:
        """The list as it stands has been signed."""
        self.list.vehicle = vehicle
        self.list.signed_version, self.list.signed_iat = self.list.version, iat
        self.facts.append(
            RevocationRaised(
                at=self.now, vehicle=vehicle, unit=self._unit, version=self.list.version, signed=signed
            )
        )

    def change(self) -> Change | None:
        """What this commit wants; None where nothing was touched."""
        numbers, listed = self._before
        if self.numbers != numbers:
            self._writes[numbers_id(self._unit)] = Write("open", self.numbers.model_dump_json())
        if self.list != listed or self._list_wakes() != self._saved[list_id(self._unit)].wake_at:
            state = "raised" if self.list.signed_version == self.list.version else "due"
            self._writes[list_id(self._unit)] = Write(
                state, self.list.model_dump_json(), wake_at=self._list_wakes()
            )
        return Change(self._writes, self.facts) if self._writes else None

    def also(self, subject: str, write: Write) -> None:
        """Write a further subject in the same commit."""
        self._writes[subject] = write

    def _list_wakes(self) -> datetime | None:
        if self.list.signed_version == 0 or not self.numbers.live:
            return None
        return at(self.list.signed_iat) + self._limits.list_every

    def _wakes(self, state: State, body: KeyBody) -> datetime:
        over = past_use(body.exp, self._limits.clock_error)
        if state is State.ISSUED:
            return min(over, self.now + self._limits.sign_again)
        return over if state in LIVE else max(over, self.now) + self._limits.keep_reduced
